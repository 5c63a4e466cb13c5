#include "step/crio_package.h"

#include "change/packages.h"

#define REPOSITORY "configure CRI-O's repository of that version (https://github.com/cri-o/packaging)"

static bool is_given(const struct step_context *ctx)
{
	return *ctx->spec->crio.url || *ctx->spec->crio.file;
}

/* What a bundle has, it has in its repository. */
static bool is_from_repository(const struct step_context *ctx)
{
	return !is_given(ctx) || ctx->change.bundle_dir;
}

static struct package_file given(const struct step_context *ctx, const struct crio_package *p)
{
	return (struct package_file){
		.package = ctx->spec->crio.package,
		.version = p->minor,
		.url = ctx->spec->crio.url,
		.file = ctx->spec->crio.file,
		.sha256 = ctx->spec->crio.sha256,
	};
}

static const char *remedy(const struct step_context *ctx)
{
	return ctx->os.packages == PACKAGES_APT ?
		       REPOSITORY ", or name the package in crio.file, or in crio.url and crio.sha256" : REPOSITORY;
}

static bool is_behind(const struct crio_package *p)
{
	return p->version && p->follows && *p->minor && !package_version_is_of(p->version, p->minor) &&
	       package_version_compare(p->version, p->minor) < 0;
}

/* Of a package that is not here yet its name tells: .../cri-o_1.35.0-1.1_amd64.deb */
static bool is_named(const char *url, const char *minor)
{
	_cleanup_free_ char *part = xasprintf("_%s.", minor);
	const char *name = strrchr(url, '/');

	return part && name && strstr(name, part);
}

/* One of the kubelet's minor version, as far as that can be told before anything is fetched. */
static bool is_to_be_had(struct step_context *ctx, const struct crio_package *p)
{
	_cleanup_free_ char *there = NULL;
	struct error ignored = ERROR_INIT;

	if (is_from_repository(ctx))
		return packages_candidate(&ctx->change, ctx->spec->crio.package, &there, &ignored) == 0 && there &&
		       package_version_is_of(there, p->minor);
	if (*ctx->spec->crio.file) {
		const struct package_file file = given(ctx, p);
		_cleanup_json_ json_t *want = package_file_want(&file);

		return want && package_file_check(&ctx->change, want, &ignored) == 0;
	}
	return is_named(ctx->spec->crio.url, p->minor);
}

static void check_candidate(struct step_context *ctx, const char *minor, struct report *report)
{
	const char *name = ctx->spec->crio.package;
	_cleanup_free_ char *there = NULL;
	struct error why = ERROR_INIT;
	int r = packages_candidate(&ctx->change, name, &there, &why);

	if (r == -EAGAIN || (there && package_version_is_of(there, minor)))
		return;
	report_add(report, "crio.package", CHECK_FAIL, remedy(ctx),
		   "no repository of this host has %s %s, the kubelet's minor version%s%s", name, minor,
		   there ? ", but " : r < 0 ? ": " : "", there ? there : r < 0 ? why.message : "");
}

static void check_first(struct step_context *ctx, const struct crio_package *p, struct report *report)
{
	if (is_given(ctx) && ctx->os.packages != PACKAGES_APT)
		report_add(report, "crio.package", CHECK_FAIL, "configure a repository that has it, and leave crio.url and "
			   "crio.file empty", "'%s' takes no Debian package", ctx->os.id);
	else if (*ctx->spec->crio.url && !*ctx->spec->crio.sha256)
		report_add(report, "crio.package", CHECK_FAIL, "set crio.sha256", "crio.url needs the package's SHA-256");
	else if (is_from_repository(ctx))
		check_candidate(ctx, p->minor, report);
}

void crio_package_check(struct step_context *ctx, const struct crio_package *p, struct report *report)
{
	if (!p->there)
		check_first(ctx, p, report);
	else if (is_behind(p) && !is_to_be_had(ctx, p))
		report_add(report, "crio.package", CHECK_WARN, remedy(ctx),
			   "CRI-O %s is behind the kubelet, which is of %s, and no package of that is to be had", p->version,
			   p->minor);
}

bool crio_package_is_due(struct step_context *ctx, const struct crio_package *p)
{
	return is_behind(p) && is_to_be_had(ctx, p);
}

int crio_package_plan(struct step_context *ctx, const struct crio_package *p, struct plan *plan, struct error *err)
{
	const struct package_file file = given(ctx, p);

	return is_from_repository(ctx) ? plan_package_of(plan, &ctx->change, &ctx->facts.packages, file.package, p->minor, err) :
					 plan_package_file(plan, &ctx->change, &file, "CRI-O", err);
}
