#include "host_fixture.h"

#include "base/units.h"
#include "spec/spec.h"

#define FILE_NAME "/etc/berth/config.yaml"

static int parse(const char *text, struct spec *ret, struct error *err)
{
	return spec_parse(text, strlen(text), FILE_NAME, ret, err);
}

static const struct spec_field *field(const char *key)
{
	for (size_t i = 0; i < spec_field_count; i++) {
		if (strcmp(spec_fields[i].key, key) == 0)
			return &spec_fields[i];
	}
	fail_msg("there is no field '%s'", key);
	return NULL;
}

static const char *origin(const struct spec *spec, const char *key)
{
	return spec->origin[field(key) - spec_fields];
}

static void defaults(void **state)
{
	static const char *const TEXTS[] = {
		"", "# only a comment\n", "pool:\n", "pool:\n  size:\n", "{}", "~\n", "docker: {}\n"
	};

	for (size_t i = 0; i < ARRAY_SIZE(TEXTS); i++) {
		_cleanup_(spec_release) struct spec spec = SPEC_INIT;
		struct error err = ERROR_INIT;

		if (parse(TEXTS[i], &spec, &err) < 0)
			fail_msg("'%s': %s", TEXTS[i], err.message);
		assert_int_equal(spec.pool.size, 50ULL << 30);
		assert_string_equal(spec.pool.image, "/var/lib/docker-xfs.img");
		assert_int_equal(spec.pool.allocate, POOL_ALLOCATE_AUTO);
		assert_true(spec.docker.live_restore);
		assert_int_equal(spec.docker.interrupt, INTERRUPT_ALLOW);
		assert_int_equal(spec.sysbox.other_version, SYSBOX_KEEP);
		assert_int_equal(spec.timeouts.package_lock, 600000);
		assert_true(spec.prune.enabled && spec.prune.images && spec.prune.build_cache);
		assert_int_equal(spec.prune.older_than, UINT64_C(7) * 24 * 3600 * 1000);
		assert_string_equal(origin(&spec, "pool.size"), "default");
	}
}

static void the_table_is_sound(void **state)
{
	_cleanup_(spec_release) struct spec spec = SPEC_INIT;

	assert_int_equal(spec_default(&spec, NULL), 0);
	for (size_t i = 0; i < spec_field_count; i++) {
		const struct spec_field *f = &spec_fields[i];
		_cleanup_free_ char *value = spec_value(&spec, f);

		assert_true(strchr(f->key, '.') || strcmp(f->key, "engine") == 0);
		assert_true(f->help && strlen(f->help) > 10);
		assert_true(f->help[strlen(f->help) - 1] == '.');
		assert_true(f->offset < sizeof(struct spec));
		assert_int_equal(f->type == SPEC_CHOICE, f->choices != NULL);
		assert_string_equal(value, f->fallback);
		assert_string_equal(spec.origin[i], "default");
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(f->key, spec_fields[j].key);
	}
}

static void values_and_origins(void **state)
{
	static const char TEXT[] = "pool:\n"
				   "  size: 20G\n"
				   "  allocate: sparse\n"
				   "# a comment\n"
				   "docker:\n"
				   "  live_restore: false\n"
				   "  log_max_file: 7\n"
				   "  interrupt: 'refuse'\n"
				   "sysbox: {version: \"0.6.7\", other_version: exact}\n"
				   "timeouts:\n"
				   "  services: 90s\n";
	_cleanup_(spec_release) struct spec spec = SPEC_INIT;

	must(parse(TEXT, &spec, &must_err));
	assert_int_equal(spec.pool.size, 20ULL << 30);
	assert_int_equal(spec.pool.allocate, POOL_ALLOCATE_SPARSE);
	assert_false(spec.docker.live_restore);
	assert_int_equal(spec.docker.log_max_file, 7);
	assert_int_equal(spec.docker.interrupt, INTERRUPT_REFUSE);
	assert_string_equal(spec.sysbox.version, "0.6.7");
	assert_int_equal(spec.sysbox.other_version, SYSBOX_EXACT);
	assert_int_equal(spec.timeouts.services, 90000);
	assert_string_equal(origin(&spec, "pool.size"), FILE_NAME ":2");
	assert_string_equal(origin(&spec, "docker.log_max_file"), FILE_NAME ":7");
	assert_string_equal(origin(&spec, "sysbox.other_version"), FILE_NAME ":9");
	assert_string_equal(origin(&spec, "pool.reserve"), "default");
}

/* A text, and what its error must say. */
static const struct {
	const char *text, *place, *says;
} BAD[] = {
	{ "pool:\n  sise: 5G\n", ":2: ", "unknown key 'pool.sise' (did you mean 'pool.size'?)" },
	{ "pol:\n  size: 5G\n", ":1: ", "unknown key 'pol'" },
	{ "pool:\n  quite_else: 1\n", ":2: ", "unknown key 'pool.quite_else' (berth-config(5)" },
	{ "docker:\n  live-restore: true\n", ":2: ", "did you mean 'docker.live_restore'?" },
	{ "sysbox:\n  size: 1G\n", ":2: ", "unknown key 'sysbox.size'" },
	{ "pool.size: 5G\n", ":1: ", "unknown key 'pool.size'" },
	{ "pool:\n\n  size: 5GB\n", ":3: ", "pool.size: '5GB' is not valid: write a size" },
	{ "pool:\n  size: big\n", ":2: ", "pool.size: 'big' is not valid" },
	{ "pool:\n  size: -5G\n", ":2: ", "pool.size: '-5G' is not valid" },
	{ "pool:\n  size: 1.5G\n", ":2: ", "pool.size: '1.5G' is not valid" },
	{ "pool:\n  size: 1023M\n",
	  ":2: ", "pool.size: '1023M' is not valid: it must be from 1G to" },
	{ "pool:\n  size: 1025T\n", ":2: ", "pool.size" },
	{ "pool:\n  size: 99999999999999999999999G\n", ":2: ", "pool.size" },
	{ "pool:\n  size: 50 G\n", ":2: ", "pool.size" },
	{ "pool:\n  size: [1]\n", ":2: ", "pool.size takes one value" },
	{ "pool:\n  size: {a: 1}\n", ":2: ", "pool.size takes one value" },
	{ "pool: 5\n", ":1: ", "'pool' is a section" },
	{ "pool: [size]\n", ":1: ", "'pool' is a section" },
	{ "- pool\n", ":1", "mapping of sections" },
	{ "just text\n", ":1", "mapping of sections" },
	{ "pool:\n  image: relative.img\n", ":2: ", "pool.image: 'relative.img'" },
	{ "pool:\n  image: /a/../b\n", ":2: ", "pool.image" },
	{ "pool:\n  image: /a/..\n", ":2: ", "pool.image" },
	{ "pool:\n  image: /..\n", ":2: ", "pool.image" },
	{ "pool:\n  image: '/a b'\n", ":2: ", "pool.image" },
	{ "pool:\n  image: \"/a\\nb\"\n", ":2: ", "pool.image" },
	{ "pool:\n  image: /a%i\n", ":2: ", "pool.image" },
	{ "pool:\n  image: ''\n", FILE_NAME ": ", "pool.image and pool.device are both empty" },
	{ "pool:\n  allocate: fast\n", ":2: ", "write one of auto, full, sparse" },
	{ "pool:\n  allocate: Auto\n", ":2: ", "pool.allocate" },
	{ "pool:\n  grow_at: 100\n", ":2: ", "pool.grow_at: '100' is not valid: it must be from 0 to 99" },
	{ "pool:\n  grow_at: 80%\n", ":2: ", "write a whole number" },
	{ "pool:\n  grow_by: 1M\n", ":2: ", "it must be from 64M to" },
	{ "pool:\n  trim: weekly\n", ":2: ", "write true or false" },
	{ "docker:\n  live_restore: yes\n", ":2: ", "docker.live_restore: 'yes'" },
	{ "docker:\n  live_restore: 1\n", ":2: ", "write true or false" },
	{ "docker:\n  bridge_ip: 172.24.0.1\n", ":2: ", "docker.bridge_ip" },
	{ "docker:\n  bridge_ip: 172.24.0.256/16\n", ":2: ", "docker.bridge_ip" },
	{ "docker:\n  bridge_ip: 172.24.0.1/33\n", ":2: ", "docker.bridge_ip" },
	{ "docker:\n  bridge_ip: 172.24.0.1/7\n", ":2: ", "docker.bridge_ip" },
	{ "docker:\n  bridge_ip: fd00::1/64\n", ":2: ", "docker.bridge_ip" },
	{ "docker:\n  bridge_ip: 172.24.0.1/\n", ":2: ", "docker.bridge_ip" },
	{ "docker:\n  bridge_ip: ''\n", ":2: ", "docker.bridge_ip" },
	{ "docker:\n  address_pool_prefix: 15\n", ":2: ", "it must be from 16 to 28" },
	{ "docker:\n  address_pool_prefix: 29\n", ":2: ", "it must be from 16 to 28" },
	{ "docker:\n  address_pool_prefix: 24x\n", ":2: ", "write a whole number" },
	{ "docker:\n  log_max_file: 0\n", ":2: ", "it must be from 1 to 1000" },
	{ "docker:\n  package: '-y'\n", ":2: ", "docker.package" },
	{ "docker:\n  package: 'a;b'\n", ":2: ", "only letters, digits" },
	{ "docker:\n  package: ''\n", ":2: ", "docker.package" },
	{ "docker:\n  log_max_size: '10 m'\n", ":2: ", "docker.log_max_size" },
	{ "sysbox:\n  version: v0.7.1\n", ":2: ", "write a version as 0.7.1" },
	{ "sysbox:\n  version: ''\n", ":2: ", "sysbox.version" },
	{ "sysbox:\n  url: ftp://x/y\n  sha256: ''\n", ":2: ", "sysbox.url" },
	{ "sysbox:\n  url: https://x/y.deb\n", FILE_NAME ": ", "sysbox.url needs sysbox.sha256" },
	{ "sysbox:\n  sha256: abc\n", ":2: ", "64 hexadecimal digits" },
	{ "sysbox:\n  file: x.deb\n", ":2: ", "sysbox.file" },
	{ "sysbox:\n  other_version: newest\n", ":2: ", "write one of keep, upgrade, exact" },
	{ "prune:\n  older_than: 59m\n", ":2: ", "it must be from 1h 00m to 87600h 00m" },
	{ "prune:\n  older_than: 3651d\n", ":2: ", "prune.older_than: '3651d' is not valid" },
	{ "prune:\n  older_than: 0\n", ":2: ", "prune.older_than" },
	{ "prune:\n  older_than: 1w\n", ":2: ", "write a duration" },
	{ "prune:\n  enabled: daily\n", ":2: ", "write true or false" },
	{ "timeouts:\n  download: 10\n", ":2: ", "write a duration as 30s or 10m" },
	{ "timeouts:\n  download: 0\n", ":2: ", "it must be from" },
	{ "timeouts:\n  services: 61m\n", ":2: ", "timeouts.services" },
	{ "timeouts:\n  packages: 25h\n", ":2: ", "timeouts.packages" },
	{ "pool:\n  size: 5G\n  size: 6G\n", ":3:", "size" },
	{ "pool:\n\tsize: 5G\n", ":2:", "" },
	{ "pool: &a\n  size: 5G\n", ":1:", "" },
};

static void bad_input_has_line_and_key(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(BAD); i++) {
		_cleanup_(spec_release) struct spec spec = SPEC_INIT;
		struct error err = ERROR_INIT;
		int r = parse(BAD[i].text, &spec, &err);

		if (r != -EINVAL || err.code != EINVAL)
			fail_msg("'%s' gives %d: %s", BAD[i].text, r, err.message);
		if (strncmp(err.message, FILE_NAME, strlen(FILE_NAME)) != 0 ||
		    !strstr(err.message, BAD[i].place) || !strstr(err.message, BAD[i].says))
			fail_msg("'%s' gives: %s", BAD[i].text, err.message);
		assert_null(spec.pool.image);
	}
}

static void bounds_are_within(void **state)
{
	static const char *const GOOD[] = {
		"pool:\n  size: 1G\n",
		"pool:\n  size: 1024T\n",
		"pool:\n  reserve: 0\n",
		"pool:\n  size: 1048576K\n",
		"docker:\n  address_pool_prefix: 16\n",
		"docker:\n  address_pool_prefix: 28\n",
		"docker:\n  log_max_file: 1000\n",
		"timeouts:\n  package_lock: 0\n",
		"timeouts:\n  package_lock: 24h\n",
		"timeouts:\n  download: 1s\n",
		"prune:\n  older_than: 1h\n",
		"prune:\n  older_than: 3650d\n",
		"docker:\n  bridge_ip: 10.0.0.1/8\n",
		"docker:\n  bridge_ip: 10.0.0.1/30\n",
		"pool:\n  image: ''\n  device: /dev/disk/by-id/x\n",
		"pool:\n  image: /a/..b/c..\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(GOOD); i++) {
		_cleanup_(spec_release) struct spec spec = SPEC_INIT;
		struct error err = ERROR_INIT;

		if (parse(GOOD[i], &spec, &err) < 0)
			fail_msg("'%s': %s", GOOD[i], err.message);
	}
}

static void the_environment_wins(void **state)
{
	_cleanup_(spec_release) struct spec spec = SPEC_INIT, again = SPEC_INIT;

	setenv("XFS_STORAGE_SIZE", "80G", 1);
	must(parse("pool:\n  size: 20G\n", &spec, &must_err));
	assert_int_equal(spec.pool.size, 80ULL << 30);
	assert_string_equal(origin(&spec, "pool.size"), "XFS_STORAGE_SIZE");
	setenv("XFS_STORAGE_SIZE", "", 1);
	must(spec_default(&again, &must_err));
	assert_string_equal(origin(&again, "pool.size"), "default");
	unsetenv("XFS_STORAGE_SIZE");
}

static void a_bad_environment_is_named(void **state)
{
	_cleanup_(spec_release) struct spec spec = SPEC_INIT;
	struct error err = ERROR_INIT;

	setenv("XFS_STORAGE_SIZE", "lots", 1);
	assert_int_equal(spec_default(&spec, &err), -EINVAL);
	unsetenv("XFS_STORAGE_SIZE");
	assert_says(err.message, "XFS_STORAGE_SIZE: pool.size: 'lots' is not valid");
}

/* The file that `config show` would print: every field in its section. */
static void write_out(const struct spec *spec, struct strbuf *out)
{
	size_t last = 0;

	for (size_t i = 0; i < spec_field_count; i++) {
		_cleanup_free_ char *value = spec_value(spec, &spec_fields[i]);
		const char *key = spec_fields[i].key;
		size_t n;
		const char *name = spec_field_name(&spec_fields[i], &n);

		if (!n) {
			strbuf_printf(out, "%s: \"%s\"\n", name, value);
			continue;
		}
		if (i == 0 || n != last || strncmp(key, spec_fields[i - 1].key, n) != 0)
			strbuf_printf(out, "%.*s:\n", (int)n, key);
		last = n;
		strbuf_printf(out, "  %s: \"%s\"\n", name, value);
	}
}

static void text_to_spec_to_text(void **state)
{
	static const char *const TEXTS[] = {
		"",
		"engine: docker+containerd\n",
		"pool: {size: 1536M, reserve: 1, image: /x.img, device: /dev/vdb, allocate: full}\n",
		"pool: {size: 3T, reserve: 1023K}\n",
		"docker: {package: docker-ce, bridge_ip: 10.9.0.1/24, live_restore: false, "
		"default_runtime: false, log_max_size: 1g, log_max_file: 9, interrupt: refuse}\n",
		"sysbox: {version: 0.6.7, url: 'https://h/a?b=c&d', sha256: "
		"04ca894ae0b53f0fa54eaacc173ce40363c9a95ea5450f773716a84ef650a69b, "
		"file: /p.deb, other_version: upgrade, inner_image_preload: false, log_level: debug}\n",
		"timeouts: {package_lock: 0, packages: 1500ms, download: 61s, services: 1h}\n",
		"verify: {sandbox: false}\n",
		"prune: {enabled: false, older_than: 90m, images: false, build_cache: false}\n",
		"prune: {older_than: 30d}\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(TEXTS); i++) {
		_cleanup_(spec_release) struct spec spec = SPEC_INIT, again = SPEC_INIT;
		_cleanup_(strbuf_release) struct strbuf first = STRBUF_INIT, second = STRBUF_INIT;

		must(parse(TEXTS[i], &spec, &must_err));
		write_out(&spec, &first);
		must(parse(strbuf_str(&first), &again, &must_err));
		write_out(&again, &second);
		assert_string_equal(strbuf_str(&first), strbuf_str(&second));
		assert_int_equal(again.pool.size, spec.pool.size);
		assert_int_equal(again.pool.reserve, spec.pool.reserve);
		assert_int_equal(again.prune.older_than, spec.prune.older_than);
		assert_int_equal(again.timeouts.packages, spec.timeouts.packages);
		assert_int_equal(again.timeouts.package_lock, spec.timeouts.package_lock);
	}
}

static void as_json(void **state)
{
	_cleanup_(spec_release) struct spec spec = SPEC_INIT;
	_cleanup_json_ json_t *json = NULL;
	const json_t *size;
	size_t n = 0;
	const char *key;
	json_t *section;

	must(parse("pool:\n  size: 20G\n", &spec, &must_err));
	json = spec_json(&spec);
	size = json_object_get(json_object_get(json, "pool"), "size");
	assert_string_equal(json_get_string(size, "value"), "20G");
	assert_string_equal(json_get_string(size, "origin"), FILE_NAME ":2");
	/* A value of no section is an object as well. */
	json_object_foreach (json, key, section)
		n += json_object_get(section, "origin") ? 1 : json_object_size(section);
	assert_int_equal(n, spec_field_count);
}

static void a_released_spec_can_be_released(void **state)
{
	struct spec spec = SPEC_INIT;

	spec_release(&spec);
	must(spec_default(&spec, &must_err));
	spec_release(&spec);
	spec_release(&spec);
	assert_null(spec.pool.image);
}

static int group_setup(void **state)
{
	(void)state;
	return unsetenv("XFS_STORAGE_SIZE");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),
		cmocka_unit_test(the_table_is_sound),
		cmocka_unit_test(values_and_origins),
		cmocka_unit_test(bad_input_has_line_and_key),
		cmocka_unit_test(bounds_are_within),
		cmocka_unit_test(the_environment_wins),
		cmocka_unit_test(a_bad_environment_is_named),
		cmocka_unit_test(text_to_spec_to_text),
		cmocka_unit_test(as_json),
		cmocka_unit_test(a_released_spec_can_be_released),
	};

	return cmocka_run_group_tests(tests, group_setup, NULL);
}
