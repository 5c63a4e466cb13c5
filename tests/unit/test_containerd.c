#include <setjmp.h>
#include <stdarg.h>

#include "engine/containerd.h"

#include <cmocka.h>

#define PATH	"/etc/containerd/config.toml"
#define PATTERN "/etc/containerd/conf.d/*.toml"

static void read_text(const char *text, struct containerd_config *ret)
{
	struct error err = ERROR_INIT;

	if (containerd_config_read(text, strlen(text), PATH, ret, &err) < 0)
		fail_msg("'%s': %s", text, err.message);
}

static void what_is_above_the_first_table(void **state)
{
	static const struct {
		const char *text;
		unsigned version;
		size_t imports;
	} CASES[] = {
		{ "", 0, 0 },
		{ "# version = 9\n", 0, 0 },
		{ "version = 2\n", 2, 0 },
		{ "version = 3", 3, 0 },
		{ "version=4 # the newest\r\nroot = '/x'\r\n", 4, 0 },
		{ "[plugins]\nversion = 2\nimports = ['/a']\n", 0, 0 },
		{ "root = \"/a[b]#c\"\nstate = '''x\ny = 1\n'''\nversion = 3\nimports = []\n", 3, 0 },
		{ "imports = [\"/a/*.toml\", '/b.toml', ] # both\nversion = 2\n", 2, 2 },
		{ "version = 3\nimports = [\n  # ours\n  '/a', # one\n  \"/b\"\n]\n[grpc]\n", 3, 2 },
		{ "disabled_plugins = [\n'a',\n]\noom_score = -999\n\"version\" = 2\n", 2, 0 },
		{ "required = { a = [1, 2], b = \"}\" }\nversion = 3\n", 3, 0 },
		/* Keys of every kind; only one of a single part is the one of its name. */
		{ "plugins.\"io.containerd.cri.v1.runtime\".enable_selinux = true\nversion = 3\n", 3, 0 },
		{ "\"a\".\"b\" = 1\n'c' . d.'e.f' = [2]\nversion=2\n", 2, 0 },
		{ "grpc . gid = 1\nversion = 3\nimports = ['/a']\n", 3, 1 },
		{ "\"\" = 1\n1234 = 'x'\n-_- = 2\nversion = 3\n", 3, 0 },
		{ "version.x = 2\nimports.y = 3\na.version = 4\n\"imports.z\" = 5\n", 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
		_cleanup_(containerd_config_release) struct containerd_config config = CONTAINERD_CONFIG_INIT;

		read_text(CASES[i].text, &config);
		if (config.version != CASES[i].version || config.imports.len != CASES[i].imports)
			fail_msg("'%s' has version %u and %zu imports", CASES[i].text, config.version,
				 config.imports.len);
	}
}

static void what_is_not_understood(void **state)
{
	static const struct {
		const char *text, *says;
	} CASES[] = {
		{ "version = two\n", PATH ":1: version is no number" },
		{ "version = 3\nimports = '/a'\n", PATH ":2: imports is no list" },
		{ "version = 3\nimports = ['/a'\n", "a comma or a bracket is missing" },
		{ "imports = ['/a' '/b']\n", "a comma or a bracket is missing" },
		{ "imports = [1]\n", "a list of texts" },
		{ "imports = []\nimports = []\n", PATH ":2: imports is there twice" },
		{ "root = '/x\n", PATH ":1: a string is not ended" },
		{ "\nroot = [1, 2\n", "a bracket is not closed" },
		{ "root = 1]\n", "closed that was not opened" },
		{ "root\n", "neither a key nor a table" },
		{ "version = 3\na. = 5\n", PATH ":2: this is neither a key nor a table" },
		{ ".a = 5\n", "neither a key nor a table" },
		{ "a b = 5\n", "neither a key nor a table" },
		{ "\"a\" 'b' = 5\n", "neither a key nor a table" },
		{ "a.\nb = 5\n", "neither a key nor a table" },
		{ "= 5\n= 6", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
		_cleanup_(containerd_config_release) struct containerd_config config = CONTAINERD_CONFIG_INIT;
		struct error err = ERROR_INIT;
		int r = containerd_config_read(CASES[i].text, strlen(CASES[i].text), PATH, &config, &err);

		if (CASES[i].says && (r != -EINVAL || !strstr(err.message, CASES[i].says)))
			fail_msg("'%s' gives %d: %s", CASES[i].text, r, err.message);
	}
}

static bool imports(const char *text, const char *path)
{
	_cleanup_(containerd_config_release) struct containerd_config config = CONTAINERD_CONFIG_INIT;

	read_text(text, &config);
	return containerd_config_imports(&config, PATH, path);
}

static void what_is_imported(void **state)
{
	assert_true(imports("imports = ['" PATTERN "']", "/etc/containerd/conf.d/50-berth.toml"));
	assert_true(imports("imports = ['conf.d/*.toml']", "/etc/containerd/conf.d/50-berth.toml"));
	assert_true(imports("imports = ['/x', '/etc/containerd/conf.d/50-berth.toml']",
			    "/etc/containerd/conf.d/50-berth.toml"));
	assert_false(imports("imports = ['/etc/containerd/*.toml']", "/etc/containerd/conf.d/50-berth.toml"));
	/* What a dump calls imported and no file does is not read. */
	assert_false(imports("version = 3\n", "/etc/containerd/conf.d/50-berth.toml"));
}

static void check_add(const char *text, const char *expected)
{
	_cleanup_(containerd_config_release) struct containerd_config config = CONTAINERD_CONFIG_INIT;
	_cleanup_(strbuf_release) struct strbuf with = STRBUF_INIT, without = STRBUF_INIT;
	struct error err = ERROR_INIT;

	read_text(text, &config);
	assert_int_equal(containerd_config_add(text, strlen(text), &config, PATTERN, &with), 0);
	assert_string_equal(strbuf_str(&with), expected);
	assert_true(imports(strbuf_str(&with), "/etc/containerd/conf.d/50-berth.toml"));
	/* And back again. */
	assert_int_equal(containerd_config_drop(with.data, with.len, PATTERN, &without, &err), 1);
	assert_false(imports(strbuf_str(&without), "/etc/containerd/conf.d/50-berth.toml"));
	if (strcmp(strbuf_str(&without), text) != 0 && text[strlen(text) - 1] == '\n' && !config.has_imports)
		fail_msg("'%s' came back as '%s'", text, strbuf_str(&without));
}

static void an_import_more(void **state)
{
	check_add("version = 3\n", "version = 3\nimports = ['" PATTERN "']\n");
	check_add("version = 3", "version = 3\nimports = ['" PATTERN "']\n");
	check_add("# mine\nversion = 2\n\n[plugins]\n",
		  "# mine\nversion = 2\nimports = ['" PATTERN "']\n\n[plugins]\n");
	check_add("[plugins]\n", "imports = ['" PATTERN "']\n[plugins]\n");
	check_add("version = 3\ngrpc . gid = 1\n", "version = 3\nimports = ['" PATTERN "']\ngrpc . gid = 1\n");
	check_add("imports = []\nversion = 2\n", "imports = ['" PATTERN "']\nversion = 2\n");
	check_add("imports = ['/a']\n", "imports = ['/a', '" PATTERN "']\n");
	check_add("imports = [\n\t'/a', # one\n\t'/b',\n]\n[x]\n",
		  "imports = [\n\t'/a', # one\n\t'/b', '" PATTERN "',\n]\n[x]\n");
}

static void check_drop(const char *text, int found, const char *expected)
{
	_cleanup_(strbuf_release) struct strbuf without = STRBUF_INIT;
	struct error err = ERROR_INIT;

	assert_int_equal(containerd_config_drop(text, strlen(text), PATTERN, &without, &err), found);
	assert_string_equal(strbuf_str(&without), expected);
}

static void an_import_less(void **state)
{
	check_drop("version = 3\n", 0, "version = 3\n");
	check_drop("imports = ['" PATTERN "', '/b']\n", 1, "imports = ['/b']\n");
	check_drop("imports = ['/a', '" PATTERN "', '/b']\n", 1, "imports = ['/a', '/b']\n");
	check_drop("imports = ['/a', '" PATTERN "']\nversion = 3\n", 1, "imports = ['/a']\nversion = 3\n");
	check_drop("x = 1\nimports = ['" PATTERN "']\ny = 2\n", 1, "x = 1\ny = 2\n");
	check_drop("imports = ['" PATTERN "'] # kept\n", 1, "imports = [] # kept\n");
	check_drop("imports = [\n'" PATTERN "',\n]\n", 1, "imports = [\n\n]\n");
}

static void versions(void **state)
{
	static const struct {
		const char *output, *version;
	} CASES[] = {
		{ "containerd github.com/containerd/containerd/v2 v2.2.2 301b2dac98f15c27117da5c8af12118a041a31d9\n", "2.2.2" },
		{ "containerd github.com/containerd/containerd 1.7.24~ds1 1.7.24~ds1-6+b4\n", "1.7.24~ds1" },
		{ "containerd github.com/k3s-io/containerd v2.1.4-k3s1 \n", "2.1.4-k3s1" },
		{ "containerd containerd.io 1.6.21 3dce8eb055cbb6872793272b4f20ed16117344f8\n", "1.6.21" },
		{ "podman version 4.3.1\n", NULL },
		{ "containerd\n", NULL },
		{ "", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
		_cleanup_free_ char *version = containerd_version_of(CASES[i].output);

		if (!version != !CASES[i].version || (version && strcmp(version, CASES[i].version) != 0))
			fail_msg("'%s' has '%s'", CASES[i].output, version ? version : "none");
	}
}

static const char DUMP[] =
	"version = 3\n"
	"imports = ['/etc/containerd/conf.d/*.toml']\n"
	"\n"
	"[plugins]\n"
	"  [plugins.'io.containerd.cri.v1.runtime']\n"
	"    [plugins.'io.containerd.cri.v1.runtime'.containerd]\n"
	"      default_runtime_name = 'crun'\n"
	"\n"
	"        [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.crun]\n"
	"          runtime_type = 'io.containerd.runc.v2'\n"
	"\n"
	"          [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.crun.options]\n"
	"            BinaryName = '/usr/bin/crun'\n"
	"            SystemdCgroup = true\n"
	"\n"
	"        [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.wasm]\n"
	"          runtime_type = 'io.containerd.spin.v2'\n";

static void what_a_dump_says(void **state)
{
	_cleanup_free_ char *version = containerd_dump_value(DUMP, "", "version");
	_cleanup_free_ char *crun = containerd_dump_runtime(DUMP, "crun");
	_cleanup_free_ char *wasm = containerd_dump_runtime(DUMP, "wasm");
	_cleanup_free_ char *none = containerd_dump_runtime(DUMP, "sysbox-runc");
	_cleanup_free_ char *quoted =
		containerd_dump_value(DUMP, "plugins.\"io.containerd.cri.v1.runtime\".containerd", "default_runtime_name");

	assert_string_equal(version, "3");
	assert_string_equal(crun, "/usr/bin/crun");
	assert_string_equal(wasm, "io.containerd.spin.v2");
	assert_null(none);
	assert_string_equal(quoted, "crun");
	assert_true(containerd_dump_systemd_cgroup(DUMP));
	assert_false(containerd_dump_systemd_cgroup("version = 2\n"));
	assert_null(containerd_dump_value("", "", "version"));
}

static void what_tables_a_dump_has(void **state)
{
#define REGISTRY "plugins.\"io.containerd.grpc.v1.cri\".registry"
	static const char TEXT[] = "    [" REGISTRY "]\n"
				   "      [" REGISTRY ".mirrors]\n"
				   "        [plugins.'io.containerd.grpc.v1.cri'.registry.mirrors.'docker.io']\n"
				   "          endpoint = ['https://mirror.example.com']\n"
				   "        [" REGISTRY ".mirrors.\"a.example.com:5000\"]\n"
				   "      [" REGISTRY ".configs.'a'.auth]\n"
				   "      [" REGISTRY ".configs.'a'.tls]\n"
				   "      [" REGISTRY ".configs.b]\n"
				   "      [" REGISTRY ".mirrors2.c]\n";
	_cleanup_(strv_release) struct strv mirrors = STRV_INIT, configs = STRV_INIT, none = STRV_INIT;

	assert_int_equal(containerd_dump_tables(TEXT, REGISTRY ".mirrors", &mirrors), 0);
	assert_int_equal(mirrors.len, 2);
	assert_string_equal(mirrors.items[0], "docker.io");
	assert_string_equal(mirrors.items[1], "a.example.com:5000");
	assert_int_equal(containerd_dump_tables(TEXT, REGISTRY ".configs", &configs), 0);
	assert_int_equal(configs.len, 2);
	assert_string_equal(configs.items[0], "a");
	assert_string_equal(configs.items[1], "b");
	assert_int_equal(containerd_dump_tables(TEXT, REGISTRY ".auths", &none), 0);
	assert_int_equal(containerd_dump_tables("[", "a", &none), 0);
	assert_int_equal(containerd_dump_tables("[a.]\n[a.'\n[a.'x]", "a", &none), 0);
	assert_int_equal(none.len, 0);
}

static void the_drop_in(void **state)
{
	struct containerd_handler handler = { "sysbox-runc", "/usr/local/lib/berth/berth-runc", true, 2 };
	_cleanup_free_ char *two = containerd_drop_in(&handler), *three = NULL, *four = NULL;
	_cleanup_free_ char *runtime = containerd_dump_runtime(two, "sysbox-runc");

	assert_string_equal(runtime, handler.runtime);
	assert_non_null(strstr(two, "version = 2\n"));
	assert_non_null(strstr(two, "[plugins.'io.containerd.grpc.v1.cri'.containerd.runtimes.sysbox-runc.options]"));
	assert_non_null(strstr(two, "SystemdCgroup = true\n"));
	handler.version = 0;
	handler.systemd_cgroup = false;
	three = containerd_drop_in(&handler);
	assert_non_null(strstr(three, "version = 3\n"));
	assert_non_null(strstr(three, "[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.sysbox-runc]"));
	assert_non_null(strstr(three, "SystemdCgroup = false\n"));
	handler.version = 4;
	four = containerd_drop_in(&handler);
	assert_non_null(strstr(four, "version = 4\n"));
}

/* What a containerd that runs tells of its handler, against the drop-in that is on the disk. */
static void what_a_running_one_has(void **state)
{
#define ALL	  "\"runtimeType\": \"io.containerd.runc.v2\", \"PodAnnotations\": [\"berth.dev/*\"], " \
		  "\"ContainerAnnotations\": [\"x/*\", \"berth.dev/*\"]"
#define OPTIONS	  "\"options\": {\"BinaryName\": \"/b\", \"SystemdCgroup\": true}"
#define RUNS(what) "{\"containerd\": {\"runtimes\": {\"runc\": {}, \"sysbox-runc\": {" what "}}}}"
	static const struct {
		const char *told;
		bool has, runtime;
	} CASES[] = {
		{ RUNS(ALL ", " OPTIONS), true, true },
		/* Taken out of the file, and containerd restarted. */
		{ RUNS("\"PodAnnotations\": null, \"ContainerAnnotations\": [\"berth.dev/*\"], " OPTIONS), false, true },
		{ RUNS("\"PodAnnotations\": [\"x/*\"], " OPTIONS), false, true },
		{ RUNS("\"PodAnnotations\": [], " OPTIONS), false, true },
		/* A node whose cgroups have moved to systemd. */
		{ RUNS(ALL ", \"options\": {\"BinaryName\": \"/b\", \"SystemdCgroup\": false}"), false, true },
		{ RUNS(ALL ", \"options\": {\"BinaryName\": \"/b\"}"), false, true },
		{ RUNS(ALL ", \"options\": {\"BinaryName\": \"/c\", \"SystemdCgroup\": true}"), false, false },
		{ RUNS("\"runtimeType\": \"io.containerd.runhcs.v1\", " OPTIONS), false, true },
		/* What it does not tell it is believed to have. */
		{ RUNS(OPTIONS), true, true },
		{ "{\"containerd\": {}}", true, true },
		{ "{}", true, true },
		{ "{\"containerd\": {\"runtimes\": {\"runc\": {}}}}", false, false },
	};
	const struct containerd_handler handler = { "sysbox-runc", "/b", true, 3 };
	_cleanup_free_ char *drop_in = containerd_drop_in(&handler);

	for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
		_cleanup_json_ json_t *told = json_loads(CASES[i].told, 0, NULL);

		assert_non_null(told);
		if (containerd_has_drop_in(told, drop_in, "sysbox-runc") != CASES[i].has ||
		    containerd_has_runtime(told, "sysbox-runc", "/b") != CASES[i].runtime)
			fail_msg("%s", CASES[i].told);
	}
	assert_true(containerd_has_drop_in(NULL, drop_in, "sysbox-runc"));
}

static void what_a_dump_has_otherwise(void **state)
{
#define TABLE	"[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.sysbox-runc"
	static const struct {
		const char *dump, *differs;
	} CASES[] = {
		{ "version = 3\n" TABLE "]\npod_annotations = [\"a/*\", 'berth.dev/*']\n" TABLE ".options]\n"
		  "BinaryName = '/b'\nSystemdCgroup = true\n", NULL },
		{ TABLE "]\npod_annotations = []\n", "pod_annotations" },
		{ TABLE "]\ncontainer_annotations = ['berth.dev/*x', 'x]\n", "container_annotations" },
		{ TABLE ".options]\nSystemdCgroup = false\n", "SystemdCgroup" },
		{ "", NULL },
	};
	const struct containerd_handler handler = { "sysbox-runc", "/b", true, 3 };
	_cleanup_free_ char *drop_in = containerd_drop_in(&handler);

	for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
		const char *differs = containerd_dump_differs(CASES[i].dump, drop_in, "sysbox-runc");

		if (!differs != !CASES[i].differs || (differs && strcmp(differs, CASES[i].differs) != 0))
			fail_msg("'%s' differs in %s", CASES[i].dump, differs ? differs : "nothing");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_above_the_first_table), cmocka_unit_test(what_is_not_understood),
		cmocka_unit_test(what_is_imported), cmocka_unit_test(an_import_more),
		cmocka_unit_test(an_import_less), cmocka_unit_test(versions), cmocka_unit_test(what_a_dump_says),
		cmocka_unit_test(what_tables_a_dump_has), cmocka_unit_test(the_drop_in), cmocka_unit_test(what_a_running_one_has),
		cmocka_unit_test(what_a_dump_has_otherwise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
