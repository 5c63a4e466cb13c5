/* Making a bundle: what apt would fetch on a clean node, and the Sysbox package. */
#include <dirent.h>
#include <fcntl.h>

#include "change/packages.h"
#include "change/tree.h"
#include "engine/bundle.h"
#include "engine/download.h"
#include "node/offline.h"
#include "step/pins.h"

#define WORK_DIR CACHE_DIR "/bundle-work"

/* More than any one node needs: a bundle does not know yet what its node lacks. */
static const char *const PACKAGES[] = { "docker.io", "xfsprogs", "fuse3", "apparmor", "iptables" };

static int fetch_sysbox(struct node *node, char **ret_path, struct error *err)
{
	const struct spec *spec = &node->spec;
	const char *arch = os_deb_arch(&node->ctx.os);
	const char *sha256 = *spec->sysbox.sha256 ? spec->sysbox.sha256 :
						   sysbox_pin(spec->sysbox.version, arch);
	_cleanup_free_ char *official = sysbox_official_url(spec->sysbox.version, arch);
	const char *url = *spec->sysbox.url ? spec->sysbox.url : official;
	_cleanup_free_ char *path = NULL;
	int r;

	if (*spec->sysbox.file) {
		*ret_path = strdup(spec->sysbox.file);
		return *ret_path ? 0 : error_errno(err, ENOMEM, "make the bundle");
	}
	path = xasprintf("%s/sysbox-ce_%s_%s.deb", WORK_DIR, spec->sysbox.version, arch);
	if (!path || !url)
		return error_errno(err, ENOMEM, "make the bundle");
	if (!sha256)
		return error_set(err, ENOENT, "berth has no SHA-256 for Sysbox %s on %s: name it in "
				 "sysbox.sha256", spec->sysbox.version, arch);
	r = download_file(&node->host, url, sha256, path, spec->timeouts.download, &node->progress,
			  err);
	if (r == 0)
		*ret_path = TAKE_PTR(path);
	return r;
}

/* CRI-O's package where the settings name one: the file, or a download beside what apt fetches. NULL: by its name. */
static int fetch_crio(struct node *node, char **ret_path, struct error *err)
{
	const struct spec *spec = &node->spec;
	_cleanup_free_ char *path = NULL;
	int r;

	if (!spec_has_crio(spec) || (!*spec->crio.file && !*spec->crio.url))
		return 0;
	if (*spec->crio.file) {
		*ret_path = strdup(spec->crio.file);
		return *ret_path ? 0 : error_errno(err, ENOMEM, "make the bundle");
	}
	path = xasprintf("%s/%s.deb", WORK_DIR, spec->crio.package);
	if (!path)
		return error_errno(err, ENOMEM, "make the bundle");
	if (!*spec->crio.sha256)
		return error_set(err, EINVAL, "crio.url needs the package's SHA-256: set crio.sha256");
	r = download_file(&node->host, spec->crio.url, spec->crio.sha256, path, spec->timeouts.download, &node->progress,
			  err);
	if (r == 0)
		*ret_path = TAKE_PTR(path);
	return r;
}

/*
 * An empty package database stands for the clean node: apt then fetches everything, also what most
 * nodes have. Installing takes from it only what is missing.
 */
static int apt_argv(const struct node *node, const char *sysbox, const char *crio, struct strv *argv)
{
	static const char *const WORDS[] = {
		"apt-get", "-y", "-q", "--download-only", "-oAPT::Install-Recommends=false",
		"-oDir::State::Status=" WORK_DIR "/status", "-oDir::Cache::Archives=" WORK_DIR,
		"-oDebug::NoLocking=true", "-oAPT::Sandbox::User=root", "install",
	};
	bool client_is_apart = strcmp(node->ctx.os.id, "debian") == 0 &&
			       (!*node->ctx.os.version ||
				package_version_compare(node->ctx.os.version, "13") >= 0);
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(WORDS); i++)
		r = strv_add(argv, WORDS[i]);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(PACKAGES); i++)
		r = strv_add(argv, PACKAGES[i]);
	if (r == 0 && client_is_apart)
		r = strv_add(argv, "docker-cli");
	if (r == 0 && spec_has_crio(&node->spec))
		r = strv_add(argv, crio ? crio : node->spec.crio.package);
	return r < 0 ? r : strv_add(argv, sysbox);
}

static int fetch_packages(struct node *node, const char *sysbox, const char *crio, struct error *err)
{
	static const char *const UPDATE[] = { "apt-get", "-q", "update", NULL };
	static const struct file_attrs ATTRS = { .mode = 0644 };
	struct spawn_options options = { .timeout_ms = node->spec.timeouts.packages };
	_cleanup_(strv_release) struct strv argv = STRV_INIT;
	int r = host_write(&node->host, WORK_DIR "/status", "", 0, &ATTRS, err);

	progress_activity(&node->progress, "apt-get update");
	if (r == 0)
		r = host_check(&node->host, UPDATE, &options, NULL, err);
	if (r == 0 && apt_argv(node, sysbox, crio, &argv) < 0)
		r = error_errno(err, ENOMEM, "make the bundle");
	progress_activity(&node->progress, "downloading packages");
	if (r == 0)
		r = host_check(&node->host, (const char *const *)argv.items, &options, NULL, err);
	return r < 0 ? error_context(err, "fetch the packages") : 0;
}

static int add_source(struct bundle_source **sources, size_t *count, struct strv *paths,
		      const char *path, enum bundle_role role)
{
	struct bundle_source *more = reallocarray(*sources, *count + 1, sizeof(*more));

	if (!more || strv_add(paths, path) < 0)
		return -ENOMEM;
	*sources = more;
	more[(*count)++] = (struct bundle_source){ paths->items[paths->len - 1], role };
	return 0;
}

static int list_debs(struct node *node, const char *sysbox, struct strv *ret, struct error *err)
{
	int fd = host_open(&node->host, WORK_DIR, O_RDONLY | O_DIRECTORY, 0);
	struct dirent *entry;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	int r = 0;

	if (!dir)
		return error_errno(err, fd < 0 ? fd : errno, "list '%s'", WORK_DIR);
	while (r == 0 && (entry = readdir(dir))) {
		size_t n = strlen(entry->d_name);

		if (n > 4 && strcmp(entry->d_name + n - 4, ".deb") == 0 &&
		    !strstr(sysbox, entry->d_name))
			r = strv_addf(ret, "%s/%s", WORK_DIR, entry->d_name);
	}
	(void)closedir(dir);
	return r < 0 ? error_errno(err, r, "list the packages") : 0;
}

static int write_bundle(struct node *node, const char *sysbox, const char *crio, const char *path, struct error *err)
{
	_cleanup_(strv_release) struct strv debs = STRV_INIT, paths = STRV_INIT;
	_cleanup_free_ struct bundle_source *sources = NULL;
	size_t count = 0;
	int r = list_debs(node, sysbox, &debs, err);

	if (r < 0)
		return r;
	r = add_source(&sources, &count, &paths, sysbox, BUNDLE_SYSBOX);
	/* A download is in the list already. */
	if (r == 0 && crio && strncmp(crio, WORK_DIR, strlen(WORK_DIR)) != 0)
		r = add_source(&sources, &count, &paths, crio, BUNDLE_DEB);
	for (size_t i = 0; r == 0 && i < debs.len; i++)
		r = add_source(&sources, &count, &paths, debs.items[i], BUNDLE_DEB);
	if (r < 0)
		return error_errno(err, r, "make the bundle");
	return bundle_create(&node->host, sources, count, node->ctx.os.codename,
			     os_deb_arch(&node->ctx.os), path, &node->progress, err);
}

static int check_request(const struct node *node, const struct offline_request *request,
			 struct error *err)
{
	const char *arch = os_deb_arch(&node->ctx.os);

	if (node->ctx.os.packages != PACKAGES_APT || !arch || !*node->ctx.os.codename)
		return error_set(err, EOPNOTSUPP,
				 "bundles are made on Debian or Ubuntu machines (x86_64, aarch64)");
	if ((request->suite && strcmp(request->suite, node->ctx.os.codename) != 0) ||
	    (request->arch && strcmp(request->arch, arch) != 0))
		return error_set(err, EINVAL,
				 "a bundle is made on a machine of its own suite and architecture: this "
				 "one is %s on %s", node->ctx.os.codename, arch);
	return 0;
}

int offline_create(struct node *node, const struct offline_request *request, char **ret_path,
		   struct error *err)
{
	_cleanup_free_ char *sysbox = NULL, *crio = NULL;
	_cleanup_free_ char *path = NULL;
	int r = check_request(node, request, err);

	if (r < 0)
		return r;
	path = request->output ? strdup(request->output) :
				 xasprintf("berth-%s-%s.bundle", node->ctx.os.codename,
					   os_deb_arch(&node->ctx.os));
	if (!path)
		return error_errno(err, ENOMEM, "make the bundle");
	r = host_mkdirs(&node->host, WORK_DIR "/partial", 0755, NULL, err);
	if (r == 0)
		r = fetch_sysbox(node, &sysbox, err);
	if (r == 0)
		r = fetch_crio(node, &crio, err);
	if (r == 0)
		r = fetch_packages(node, sysbox, crio, err);
	if (r == 0)
		r = write_bundle(node, sysbox, crio, path, err);
	(void)tree_remove(&node->host, WORK_DIR, NULL);
	if (r == 0)
		*ret_path = TAKE_PTR(path);
	return r;
}
