#include "engine/bundle_manifest.h"

#include "base/json.h"

#define FORMAT_KEY  "berth-bundle"
#define CREATOR_MAX 128
#define LETTERS	    "abcdefghijklmnopqrstuvwxyz"
#define CAPITALS    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS	    "0123456789"

static const char *const ROLES[BUNDLE_ROLES] = {
	[BUNDLE_DEB] = "deb",
	[BUNDLE_SYSBOX] = "sysbox",
};

void bundle_manifest_release(struct bundle_manifest *manifest)
{
	for (size_t i = 0; i < manifest->file_count; i++)
		free(manifest->files[i].name);
	free(manifest->files);
	free(manifest->suite);
	free(manifest->arch);
	free(manifest->created_by);
	*manifest = BUNDLE_MANIFEST_INIT;
}

bool bundle_name_valid(const char *name)
{
	size_t n = strspn(name, LETTERS CAPITALS DIGITS "._+~%:=@-");

	return n > 0 && n <= BUNDLE_NAME_MAX && !name[n] && name[0] != '.' &&
	       strcmp(name, BUNDLE_MANIFEST) != 0 && strcmp(name, BUNDLE_CHECKSUM) != 0;
}

bool bundle_word_valid(const char *word)
{
	size_t n = strspn(word, LETTERS DIGITS "._-");

	return n > 0 && n <= 64 && !word[n];
}

static int role_of(const char *word, enum bundle_role *ret)
{
	for (size_t i = 0; word && i < ARRAY_SIZE(ROLES); i++) {
		if (strcmp(word, ROLES[i]) == 0) {
			*ret = (enum bundle_role)i;
			return 0;
		}
	}
	return -EINVAL;
}

static int read_file(const json_t *object, struct bundle_file *ret, struct error *err)
{
	const char *name = json_get_string(object, "name");
	const char *sha256 = json_get_string(object, "sha256");
	json_int_t size = json_get_int(object, "size", -1);

	if (!name || !bundle_name_valid(name))
		return error_set(err, EINVAL, "the bundle's manifest has the file name '%s'",
				 name ? name : "");
	if (size < 0 || (uint64_t)size > BUNDLE_FILE_CAP)
		return error_set(err, EINVAL, "the bundle's manifest has no good size for '%s'",
				 name);
	if (!sha256 || !digest_valid(sha256) || strpbrk(sha256, CAPITALS))
		return error_set(err, EINVAL, "the bundle's manifest has no SHA-256 for '%s'",
				 name);
	if (role_of(json_get_string(object, "role"), &ret->role) < 0)
		return error_set(
			err, EINVAL,
			"the bundle's manifest has a role for '%s' this berth does not know", name);
	ret->name = strdup(name);
	if (!ret->name)
		return error_errno(err, ENOMEM, "read the bundle's manifest");
	ret->size = (uint64_t)size;
	memcpy(ret->sha256, sha256, sizeof(ret->sha256));
	return 0;
}

static int read_files(const json_t *list, struct bundle_manifest *ret, struct error *err)
{
	const json_t *object;
	size_t i;

	if (json_array_size(list) == 0 || json_array_size(list) > BUNDLE_FILES_MAX)
		return error_set(err, EINVAL, "the bundle's manifest lists no files, or too many");
	ret->files = calloc(json_array_size(list), sizeof(*ret->files));
	if (!ret->files)
		return error_errno(err, ENOMEM, "read the bundle's manifest");
	json_array_foreach (list, i, object) {
		int r = read_file(object, &ret->files[i], err);

		if (r < 0)
			return r;
		ret->file_count++;
		if (i && strcmp(ret->files[i - 1].name, ret->files[i].name) >= 0)
			return error_set(err, EINVAL,
					 "the bundle's manifest is not in order at '%s'",
					 ret->files[i].name);
	}
	return 0;
}

static int read_words(const json_t *root, struct bundle_manifest *ret, struct error *err)
{
	const char *suite = json_get_string(root, "suite");
	const char *arch = json_get_string(root, "arch");
	const char *created_by = json_get_string(root, "created_by");

	if (!suite || !bundle_word_valid(suite) || !arch || !bundle_word_valid(arch))
		return error_set(err, EINVAL,
				 "the bundle's manifest does not say for which suite and arch");
	if (created_by && strlen(created_by) > CREATOR_MAX)
		return error_set(err, EINVAL, "the bundle's manifest names an endless creator");
	ret->suite = strdup(suite);
	ret->arch = strdup(arch);
	ret->created_by = strdup(created_by ? created_by : "");
	if (!ret->suite || !ret->arch || !ret->created_by)
		return error_errno(err, ENOMEM, "read the bundle's manifest");
	return 0;
}

int bundle_manifest_parse(const char *text, size_t len, struct bundle_manifest *ret,
			  struct error *err)
{
	_cleanup_(bundle_manifest_release) struct bundle_manifest manifest = BUNDLE_MANIFEST_INIT;
	_cleanup_json_ json_t *root = NULL;
	json_int_t format;
	int r;

	if (len > BUNDLE_MANIFEST_CAP)
		return error_set(err, EINVAL, "the bundle's manifest is too long");
	r = json_parse(text, len, "the bundle's manifest", &root, err);
	if (r < 0)
		return r;
	format = json_get_int(root, FORMAT_KEY, 0);
	if (format > BUNDLE_FORMAT)
		return error_set(err, EPROTONOSUPPORT,
				 "the bundle is of format %" JSON_INTEGER_FORMAT
				 ", made by a newer berth; this one reads format %d",
				 format, BUNDLE_FORMAT);
	if (format < 1)
		return error_set(err, EINVAL, "the manifest is not one of a berth bundle");
	r = read_words(root, &manifest, err);
	if (r == 0)
		r = read_files(json_object_get(root, "files"), &manifest, err);
	if (r < 0)
		return r;
	*ret = manifest;
	manifest = BUNDLE_MANIFEST_INIT;
	return 0;
}

int bundle_manifest_format(const struct bundle_manifest *manifest, struct strbuf *out)
{
	_cleanup_json_ json_t *root = NULL;
	_cleanup_free_ char *text = NULL;
	json_t *files = json_array();

	for (size_t i = 0; i < manifest->file_count; i++) {
		const struct bundle_file *f = &manifest->files[i];

		if (json_array_append_new(files, json_pack("{s:s, s:I, s:s, s:s}",	/* */
							   "name", f->name,		/* */
							   "size", (json_int_t)f->size, /* */
							   "sha256", f->sha256,		/* */
							   "role", ROLES[f->role])) < 0) {
			json_decref(files);
			return -ENOMEM;
		}
	}
	root = json_pack("{s:i, s:s, s:s, s:s, s:o}", FORMAT_KEY, BUNDLE_FORMAT, "suite",
			 manifest->suite, "arch", manifest->arch, "created_by",
			 manifest->created_by, "files", files);
	text = root ? json_dumps(root, JSON_INDENT(1)) : NULL;
	if (!text)
		return -ENOMEM;
	strbuf_puts(out, text);
	strbuf_putc(out, '\n');
	return strbuf_failed(out) ? -ENOMEM : 0;
}

static int by_name(const void *a, const void *b)
{
	const struct bundle_file *x = a, *y = b;

	return strcmp(x->name, y->name);
}

int bundle_manifest_sort(struct bundle_manifest *manifest, struct error *err)
{
	qsort(manifest->files, manifest->file_count, sizeof(*manifest->files), by_name);
	for (size_t i = 1; i < manifest->file_count; i++) {
		if (strcmp(manifest->files[i - 1].name, manifest->files[i].name) == 0)
			return error_set(err, EEXIST, "two files for the bundle are named '%s'",
					 manifest->files[i].name);
	}
	return 0;
}
