/*
 * Input: the text of a settings file. A clean error that names the file, or settings that written
 * out and read again are the same.
 */
#include "base/strbuf.h"
#include "spec/spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

/* A value in double quotes; false for one that YAML would have to spell otherwise. */
static bool add_quoted(struct strbuf *out, const char *value)
{
	strbuf_putc(out, '"');
	for (; *value; value++) {
		if ((unsigned char)*value >= 0x80)
			return false;
		if (*value == '"' || *value == '\\')
			strbuf_putc(out, '\\');
		strbuf_putc(out, *value);
	}
	strbuf_puts(out, "\"\n");
	return true;
}

static bool write_out(const struct spec *spec, struct strbuf *out)
{
	char last[32] = "";

	for (size_t i = 0; i < spec_field_count; i++) {
		_cleanup_free_ char *value = spec_value(spec, &spec_fields[i]);
		size_t n;
		const char *name = spec_field_name(&spec_fields[i], &n);
		char section[32];

		must(value && spec->origin[i]);
		(void)snprintf(section, sizeof(section), "%.*s", (int)n, spec_fields[i].key);
		if (n && strcmp(section, last) != 0)
			strbuf_printf(out, "%s:\n", section);
		memcpy(last, section, sizeof(last));
		strbuf_printf(out, "%s%s: ", n ? "  " : "", name);
		if (!add_quoted(out, value))
			return false;
	}
	return true;
}

static void check_again(const struct spec *spec)
{
	_cleanup_(strbuf_release) struct strbuf first = STRBUF_INIT, second = STRBUF_INIT;
	_cleanup_(spec_release) struct spec again = SPEC_INIT;

	if (!write_out(spec, &first))
		return;
	must(spec_parse(first.data, first.len, "f", &again, NULL) == 0);
	must(write_out(&again, &second));
	must(strcmp(first.data, second.data) == 0);
	must(again.pool.size == spec->pool.size && again.pool.reserve == spec->pool.reserve);
	must(again.timeouts.packages == spec->timeouts.packages);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(spec_release) struct spec spec = SPEC_INIT;
	struct error err = ERROR_INIT;
	int r;

	(void)unsetenv("XFS_STORAGE_SIZE");
	r = spec_parse((const char *)data, size, "f", &spec, &err);
	must(r == -err.code);
	if (r < 0) {
		must(r == -EINVAL && strncmp(err.message, "f:", 2) == 0 && !spec.pool.image);
		return 0;
	}
	must(spec.pool.size >= 1ULL << 30 && (*spec.pool.image || *spec.pool.device));
	check_again(&spec);
	return 0;
}
