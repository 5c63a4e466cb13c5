/*
 * berth's programs on the node: berth where the units that run at boot find it, and berth-runc with what
 * it goes by, before anything names it as a runtime.
 */
#include <stdio.h>
#include <sys/mman.h>

#include "sandbox/settings.h"
#include "step/embedded.h"
#include "step/layout.h"
#include "step/table.h"

static int plan_copy(struct step_context *ctx, struct plan *plan, const char *target,
		     const char *source, const char *why, struct error *err)
{
	struct stat st;

	if (stat(source, &st) < 0)
		return error_errno(err, errno, "look at berth's own program '%s'", source);
	return plan_add(plan, &ctx->change, &change_copy, target,
			json_pack("{s:s, s:s, s:I, s:i}", "source", source, "version", BERTH_VERSION,
				  "size", (json_int_t)st.st_size, "mode", 0755),
			NULL, why, err);
}

/* berth carries it; a copy wants a file to read. */
static int open_runc(struct step_context *ctx, struct error *err)
{
	size_t len;
	const void *bytes = embedded_runc(&len);
	_cleanup_fd_ int fd = -EBADF;
	int r;

	if (ctx->runc_fd > 0)
		return 0;
	fd = memfd_create("berth-runc", MFD_CLOEXEC);
	r = fd < 0 ? -errno : file_write_all(fd, bytes, len);
	if (r < 0)
		return error_errno(err, r, "unpack berth-runc");
	ctx->runc_fd = TAKE_FD(fd);
	return 0;
}

static int plan_runc(struct step_context *ctx, struct plan *plan, struct error *err)
{
	char source[40];
	int r = open_runc(ctx, err);

	if (r < 0)
		return r;
	(void)snprintf(source, sizeof(source), "/proc/self/fd/%d", ctx->runc_fd);
	return plan_copy(ctx, plan, BERTH_RUNC, source, "the runtime that keeps sandboxes in their budget",
			 err);
}

static int plan_conf(struct step_context *ctx, struct plan *plan, struct error *err)
{
	const struct spec *spec = ctx->spec;
	struct settings settings = settings_default();
	_cleanup_free_ char *text = NULL;

	if (spec->budget.first_project > spec->budget.last_project)
		return error_set(err, EINVAL, "budget.first_project (%llu) is above budget.last_project (%llu)",
				 (unsigned long long)spec->budget.first_project,
				 (unsigned long long)spec->budget.last_project);
	settings.budget = spec->budget.fallback;
	settings.allow_unlimited = spec->budget.allow_unlimited;
	settings.bytes_per_inode = spec->budget.bytes_per_inode;
	settings.floor = spec->budget.floor;
	if (!spec_has_docker(spec))
		*settings.engine = '\0';
	if (spec_has_pods(spec))
		memcpy(settings.kubelet, KUBELET_DATA, sizeof(KUBELET_DATA));
	settings.projects.first = (uint32_t)spec->budget.first_project;
	settings.projects.last = (uint32_t)spec->budget.last_project;
	if (!*spec->pool.device && strlen(spec->pool.image) < sizeof(settings.image))
		memcpy(settings.image, spec->pool.image, strlen(spec->pool.image) + 1);
	text = settings_text(&settings);
	if (!text)
		return error_errno(err, ENOMEM, "plan '%s'", RUNC_CONF);
	return plan_file(plan, &ctx->change, RUNC_CONF, text, 0644, "what berth-runc goes by", err);
}

/* What runs here without --config (timers, a service, a person) goes by the same settings. */
static int plan_settings(struct step_context *ctx, struct plan *plan, struct error *err)
{
	return ctx->kept_spec ? plan_file(plan, &ctx->change, SPEC_KEPT, ctx->kept_spec, 0600,
					  "the settings of --config, for what runs without it", err) : 0;
}

static int plan_program(struct step_context *ctx, struct plan *plan, struct error *err)
{
	int r = plan_copy(ctx, plan, BERTH_PROGRAM, ctx->self, "the node's units run it", err);

	if (r >= 0)
		r = plan_settings(ctx, plan, err);
	if (r >= 0)
		r = plan_runc(ctx, plan, err);
	return r < 0 ? r : plan_conf(ctx, plan, err);
}

const struct step step_program = {
	.name = "program",
	.summary = "berth and berth-runc where the node finds them",
	.plan = plan_program,
};
