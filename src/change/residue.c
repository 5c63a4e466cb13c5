#include "change/residue.h"

#include "change/docker_data.h"
#include "change/file_state.h"
#include "change/tree.h"
#include "change/unit_links.h"

#define CONTAINERD_DATA	 "/var/lib/containerd"
#define CONTAINERD_BLOBS CONTAINERD_DATA "/io.containerd.content.v1.content/blobs/sha256"

static const char *const ACCOUNTS[] = { "/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow",
					"/etc/subuid", "/etc/subgid" };

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

static bool has_account(const struct host *host, const char *file, const char *name)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_free_ char *inner = xasprintf("\n%s:", name);

	if (host_read(host, file, FILE_CAP_DEFAULT, &text, NULL) < 0 || !inner)
		return false;
	return strncmp(text, inner + 1, strlen(inner) - 1) == 0 || strstr(text, inner);
}

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
		if (has_account(host, "/etc/passwd", NAMES[i]) ||
		    has_account(host, "/etc/group", NAMES[i]))
			(void)json_array_append_new(accounts, json_string(NAMES[i]));
	}
	note_paths(host, DIRECTORIES, ARRAY_SIZE(DIRECTORIES), directories);
	note_paths(host, FILES, ARRAY_SIZE(FILES), directories);
	note_paths(host, WRITTEN, ARRAY_SIZE(WRITTEN), directories);
	*ret = json_pack("{s:o, s:o, s:O}", "accounts", accounts, "directories", directories, "links", links);
	return *ret ? 0 : error_errno(err, ENOMEM, "note what is there");
}

/* Drop the lines "NAME:..." of a colon-separated account file. */
static int drop_lines(const struct host *host, const char *file, const char *name, struct error *err)
{
	_cleanup_(file_state_release) struct file_state now = FILE_STATE_INIT;
	_cleanup_(strbuf_release) struct strbuf kept = STRBUF_INIT;
	struct file_attrs attrs;
	size_t n = strlen(name);
	int r = file_state_read(host, file, &now, err);

	if (r < 0 || !now.exists)
		return r;
	for (const char *p = now.data; *p;) {
		const char *end = strchrnul(p, '\n');
		size_t len = (size_t)(end - p) + (*end == '\n');

		if (strncmp(p, name, n) != 0 || p[n] != ':')
			strbuf_add(&kept, p, len);
		p += len;
	}
	if (kept.len == now.len)
		return 0;
	attrs = (struct file_attrs){ .mode = now.mode, .uid = now.uid, .gid = now.gid };
	return host_write(host, file, strbuf_str(&kept), kept.len, &attrs, err);
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

/* What a package's scripts wrote while its notes or the text itself never reached the disk. */
static int remove_lost(const struct host *host, const json_t *before, struct error *err)
{
	const json_t *links = json_object_get(before, "links");
	struct stat st;
	int r = links ? unit_links_remove(host, links, err) : 0; /* an older berth did not note them */

	for (size_t i = 0; links && r == 0 && i < ARRAY_SIZE(WRITTEN); i++) {
		if (!json_has_string(json_object_get(before, "directories"), WRITTEN[i]) &&
		    host_stat(host, WRITTEN[i], &st, false) == 0 && S_ISREG(st.st_mode) && st.st_size == 0)
			r = host_remove(host, WRITTEN[i], err);
	}
	return r;
}

int residue_remove(const struct host *host, const json_t *before, struct error *err)
{
	const json_t *accounts = json_object_get(before, "accounts");
	const json_t *directories = json_object_get(before, "directories");
	int r = remove_skeleton(host, directories, err);

	if (r == 0)
		r = remove_lost(host, before, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(NAMES); i++) {
		for (size_t j = 0; !json_has_string(accounts, NAMES[i]) && j < ARRAY_SIZE(ACCOUNTS); j++) {
			r = drop_lines(host, ACCOUNTS[j], NAMES[i], err);
			if (r < 0)
				return r;
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(FILES); i++) {
		r = json_has_string(directories, FILES[i]) ? 0 : host_remove(host, FILES[i], err);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < ARRAY_SIZE(DIRECTORIES); i++) {
		if (!json_has_string(directories, DIRECTORIES[i]))
			(void)host_rmdir(host, DIRECTORIES[i]);
	}
	return remove_containerd(host, directories, err);
}
