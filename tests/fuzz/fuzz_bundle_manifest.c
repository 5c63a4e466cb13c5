/* Input: the text. A manifest within its limits that comes out the same again, or a clean error. */
#include "engine/bundle_manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void check_files(const struct bundle_manifest *m)
{
	must(m->file_count > 0 && m->file_count <= BUNDLE_FILES_MAX);
	for (size_t i = 0; i < m->file_count; i++) {
		const struct bundle_file *f = &m->files[i];

		must(bundle_name_valid(f->name) && !strchr(f->name, '/') && f->name[0] != '.');
		must(f->size <= BUNDLE_FILE_CAP && digest_valid(f->sha256));
		must(f->role < BUNDLE_ROLES);
		must(i == 0 || strcmp(m->files[i - 1].name, f->name) < 0);
	}
}

static void check_again(const struct bundle_manifest *m)
{
	_cleanup_(bundle_manifest_release) struct bundle_manifest again = BUNDLE_MANIFEST_INIT;
	_cleanup_(strbuf_release) struct strbuf first = STRBUF_INIT;
	_cleanup_(strbuf_release) struct strbuf second = STRBUF_INIT;

	must(bundle_manifest_format(m, &first) == 0);
	must(bundle_manifest_parse(first.data, first.len, &again, NULL) == 0);
	must(bundle_manifest_format(&again, &second) == 0);
	must(strcmp(first.data, second.data) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(bundle_manifest_release) struct bundle_manifest m = BUNDLE_MANIFEST_INIT;
	struct error err = ERROR_INIT;
	int r = bundle_manifest_parse((const char *)data, size, &m, &err);

	must(r == -err.code && (r == 0) == (m.files != NULL));
	if (r < 0) {
		must(r == -EINVAL || r == -EPROTONOSUPPORT);
		must(err.message[0]);
		return 0;
	}
	must(bundle_word_valid(m.suite) && bundle_word_valid(m.arch));
	check_files(&m);
	check_again(&m);
	return 0;
}
