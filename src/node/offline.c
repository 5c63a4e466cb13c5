#include "node/offline.h"

#include "change/tree.h"
#include "engine/bundle.h"

/* "Filename", "Size" and "SHA256" from the manifest behind what the package says of itself. */
static int add_stanza(struct node *node, const struct bundle_file *file, struct strbuf *out,
		      struct error *err)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", OFFLINE_DIR, file->name);
	const char *const argv[] = { "dpkg-deb", "--field", path, NULL };
	_cleanup_(spawn_result_release) struct spawn_result result = SPAWN_RESULT_INIT;
	struct spawn_options options = { .timeout_ms = 60000 };
	int r = host_check(&node->host, argv, &options, &result, err);

	if (r < 0)
		return error_context(err, "read the package '%s'", file->name);
	strbuf_printf(out, "%sFilename: ./%s\nSize: %" PRIu64 "\nSHA256: %s\n\n",
		      strbuf_str(&result.out), file->name, file->size, file->sha256);
	return 0;
}

static int write_text(struct node *node, const char *name, const char *text, struct error *err)
{
	static const struct file_attrs ATTRS = { .mode = 0644 };
	_cleanup_free_ char *path = xasprintf("%s/%s", OFFLINE_DIR, name);

	return path ? host_write(&node->host, path, text, strlen(text), &ATTRS, err) :
		      error_errno(err, ENOMEM, "lay out the bundle");
}

/* [trusted=yes]: the bundle's own digests were checked, and apt has no key for it. */
static int make_repository(struct node *node, const struct bundle_manifest *manifest,
			   struct error *err)
{
	static const char SOURCES[] = "deb [trusted=yes] file:" OFFLINE_DIR " ./\n";
	_cleanup_(strbuf_release) struct strbuf packages = STRBUF_INIT;
	int r = 0;

	for (size_t i = 0; r == 0 && i < manifest->file_count; i++) {
		if (manifest->files[i].role == BUNDLE_DEB)
			r = add_stanza(node, &manifest->files[i], &packages, err);
	}
	if (r == 0)
		r = write_text(node, "Packages", strbuf_str(&packages), err);
	if (r == 0)
		r = write_text(node, "sources.list", SOURCES, err);
	if (r == 0)
		r = host_mkdirs(&node->host, OFFLINE_DIR "/lists/partial", 0755, NULL, err);
	return r;
}

static int check_system(const struct node *node, const struct bundle_manifest *manifest,
			struct error *err)
{
	const char *arch = os_deb_arch(&node->ctx.os);

	if (strcmp(manifest->suite, node->ctx.os.codename) == 0 && arch &&
	    strcmp(manifest->arch, arch) == 0)
		return 0;
	return error_set(err, EINVAL, "the bundle is for %s on %s, this machine is %s on %s",
			 manifest->suite, manifest->arch, node->ctx.os.codename,
			 arch ? arch : node->ctx.os.arch);
}

static int bind(struct node *node, const struct bundle_manifest *manifest, struct error *err)
{
	for (size_t i = 0; i < manifest->file_count; i++) {
		if (manifest->files[i].role != BUNDLE_SYSBOX)
			continue;
		node->ctx.bundle_sysbox = xasprintf("%s/%s", OFFLINE_DIR, manifest->files[i].name);
		(void)snprintf(node->ctx.bundle_sysbox_sha256, DIGEST_HEX_MAX, "%s",
			       manifest->files[i].sha256);
	}
	if (!node->ctx.bundle_sysbox)
		return error_set(err, EINVAL, "the bundle has no Sysbox package in it");
	node->ctx.change.bundle_dir = OFFLINE_DIR;
	return 0;
}

int offline_check(struct node *node, const char *bundle_path, struct error *err)
{
	_cleanup_(bundle_manifest_release) struct bundle_manifest manifest = BUNDLE_MANIFEST_INIT;
	int r;

	if (node->ctx.os.packages == PACKAGES_DNF)
		return error_set(err, EOPNOTSUPP,
				 "a bundle is of Debian packages, and '%s' takes RPMs: install from its "
				 "repositories, or from a mirror of them",
				 node->ctx.os.id);
	r = bundle_verify(bundle_path, &node->progress, &manifest, err);
	if (r == 0)
		r = check_system(node, &manifest, err);
	return r < 0 ? r : bind(node, &manifest, err);
}

int offline_use(struct node *node, const char *bundle_path, struct error *err)
{
	_cleanup_(bundle_manifest_release) struct bundle_manifest manifest = BUNDLE_MANIFEST_INIT;
	int r = offline_check(node, bundle_path, err);

	if (r == 0)
		r = host_mkdirs(&node->host, CACHE_DIR, 0755, NULL, err);
	if (r == 0)
		r = tree_remove(&node->host, OFFLINE_DIR, err);
	if (r == 0)
		r = bundle_extract(&node->host, bundle_path, OFFLINE_DIR, &node->progress, &manifest, err);
	return r < 0 ? r : make_repository(node, &manifest, err);
}
