#include "change/residue.h"

#include "change/accounts.h"
#include "change/docker_data.h"
#include "change/tree.h"
#include "change/unit_links.h"

#define CONTAINERD_DATA	 "/var/lib/containerd"
#define CONTAINERD_BLOBS CONTAINERD_DATA "/io.containerd.content.v1.content/blobs/sha256"

/* Accounts that the packages' scripts make: removed only when the host did not have them. */
static const char *const NAMES[] = { "sysbox", "docker" };

/* Directories that daemons leave. Only empty ones are removed, children before parents. */
static const char *const DIRECTORIES[] = {
	"/var/lib/sysboxfs", "/var/lib/sysbox",	     "/var/lib/docker",	     "/etc/docker",
	"/opt/containerd/bin", "/opt/containerd/lib", "/opt/containerd",	     "/etc/containerd",
	"/opt/cni/bin",	     "/opt/cni",	     "/etc/cni/net.d",	     "/etc/cni",
	CONTAINERD_DATA,     "/etc/crio/policies",   "/etc/crio/crio.conf.d", "/etc/crio",
	"/var/lib/crio",     "/var/log/crio/pods",   "/var/log/crio",
	"/usr/share/containers/oci/hooks.d",	     "/usr/share/containers/oci", "/usr/share/containers",
};

/* Files that daemons make beside their settings: Docker's identity, up to 20.10; which CRI-O ran last, and how it ended. */
static const char *const FILES[] = { "/etc/docker/key.json", "/var/lib/crio/version", "/var/lib/crio/clean.shutdown",
				     "/var/lib/crio/clean.shutdown.supported" };

/* Written by a package's script, which takes them away where they are as it wrote them: not when the power took what was in them. */
static const char *const WRITTEN[] = { "/etc/networks" };

static void note_paths(const struct host *host, const char *const *paths, size_t n, json_t *ret)
{
	for (size_t i = 0; i < n; i++) {
		if (host_exists(host, paths[i]))
			(void)json_array_append_new(ret, json_string(paths[i]));
	}
}

int residue_capture(const struct host *host, json_t **ret, struct error *err)
{
	_cleanup_json_ json_t *links = NULL;
	json_t *accounts, *directories;
	int r = unit_links_hanging(host, &links, err);

	if (r < 0)
		return r;
	accounts = json_array();
	directories = json_array();
	for (size_t i = 0; i < ARRAY_SIZE(NAMES); i++) {
		if (accounts_has(host, "/etc/passwd", NAMES[i]) ||
		    accounts_has(host, "/etc/group", NAMES[i]))
			(void)json_array_append_new(accounts, json_string(NAMES[i]));
	}
	note_paths(host, DIRECTORIES, ARRAY_SIZE(DIRECTORIES), directories);
	note_paths(host, FILES, ARRAY_SIZE(FILES), directories);
	note_paths(host, WRITTEN, ARRAY_SIZE(WRITTEN), directories);
	note_paths(host, ACCOUNTS_TEMPORARY, ACCOUNTS_COUNT, directories);
	*ret = json_pack("{s:o, s:o, s:O}", "accounts", accounts, "directories", directories, "links", links);
	return *ret ? 0 : error_errno(err, ENOMEM, "note what is there");
}

/* Debian's purge leaves it. What containerd makes at its first start goes; images in it are data. */
static int remove_containerd(const struct host *host, const json_t *directories, struct error *err)
{
	int blobs = tree_content(host, CONTAINERD_BLOBS, NULL);

	if (json_has_string(directories, CONTAINERD_DATA) || blobs < 0 || blobs == TREE_FULL)
		return 0;
	return tree_remove(host, CONTAINERD_DATA, err);
}

/* A dockerd started there by a boot meanwhile: its own empty directories, nobody's data. */
static int remove_skeleton(const struct host *host, const json_t *directories, struct error *err)
{
	static const char DIR[] = "/var/lib/docker";

	if (json_has_string(directories, DIR) || docker_data_is_skeleton(host, DIR) <= 0)
		return 0;
	return tree_remove(host, DIR, err);
}

/* Those of the paths that were not there before. */
static int remove_new(const struct host *host, const json_t *before, const char *const *paths, size_t n, struct error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++) {
		if (!json_has_string(json_object_get(before, "directories"), paths[i]))
			r = host_remove(host, paths[i], err);
	}
	return r;
}

static bool is_empty_file(const struct host *host, const char *path)
{
	struct stat st;

	return host_stat(host, path, &st, false) == 0 && S_ISREG(st.st_mode) && st.st_size == 0;
}

/* What a package's scripts wrote while its notes or the text itself never reached the disk. */
static int remove_lost(const struct host *host, const json_t *before, struct error *err)
{
	const json_t *links = json_object_get(before, "links");
	int r = links ? unit_links_remove(host, links, err) : 0; /* an older berth did not note them */

	for (size_t i = 0; links && r == 0 && i < ARRAY_SIZE(WRITTEN); i++) {
		if (is_empty_file(host, WRITTEN[i]))
			r = remove_new(host, before, &WRITTEN[i], 1, err);
	}
	return r;
}

static int remove_accounts(const struct host *host, const json_t *before, struct error *err)
{
	_cleanup_fd_ int lock = accounts_lock(host, err);
	int r = MIN_OF(lock, 0);

	for (size_t i = 0; i < ARRAY_SIZE(NAMES); i++) {
		for (size_t j = 0; r == 0 && j < ACCOUNTS_COUNT; j++) {
			if (!json_has_string(json_object_get(before, "accounts"), NAMES[i]))
				r = accounts_drop(host, ACCOUNTS_FILES[j], NAMES[i], err);
		}
	}
	if (r == 0 && json_object_get(before, "links"))
		r = remove_new(host, before, ACCOUNTS_TEMPORARY, ACCOUNTS_COUNT, err);
	return r;
}

int residue_remove(const struct host *host, const json_t *before, struct error *err)
{
	const json_t *directories = json_object_get(before, "directories");
	int r = remove_skeleton(host, directories, err);

	if (r == 0)
		r = remove_lost(host, before, err);
	if (r == 0)
		r = remove_accounts(host, before, err);
	if (r == 0)
		r = remove_new(host, before, FILES, ARRAY_SIZE(FILES), err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(DIRECTORIES); i++) {
		if (!json_has_string(directories, DIRECTORIES[i]))
			(void)host_rmdir(host, DIRECTORIES[i]);
	}
	return remove_containerd(host, directories, err);
}
