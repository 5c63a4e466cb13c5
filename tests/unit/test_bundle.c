#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/resource.h>

#include "engine/bundle.h"
#include "engine/tar.h"

#include <cmocka.h>

struct place {
	struct host host;
	char dir[64];
	char bundle[96]; /* as this process sees it */
};

static int setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	if (!p)
		return -1;
	(void)snprintf(p->dir, sizeof(p->dir), "/tmp/berth-test-bundle-XXXXXX");
	if (!mkdtemp(p->dir) || host_open_root(p->dir, &p->host, NULL) < 0)
		return -1;
	(void)snprintf(p->bundle, sizeof(p->bundle), "%s/b.bundle", p->dir);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	const char *argv[] = { "rm", "-rf", NULL, NULL };
	struct place *p = *state;
	int r;

	argv[2] = p->dir;
	host_release(&p->host);
	r = spawn_check("/bin/rm", argv, NULL, NULL, NULL);
	free(p);
	return r;
}

static void write_file(const struct place *p, const char *path, const void *data, size_t len)
{
	const struct file_attrs attrs = { .mode = 0644, .uid = geteuid(), .gid = getegid() };

	assert_int_equal(host_write(&p->host, path, data, len, &attrs, NULL), 0);
}

static void assert_content(const struct place *p, const char *path, const char *expected)
{
	_cleanup_free_ char *data = NULL;

	assert_int_equal(host_read(&p->host, path, 1 << 20, &data, NULL), 0);
	assert_string_equal(data, expected);
}

static const struct bundle_source SOURCES[] = {
	{ "/src/z_1.0-1_amd64.deb", BUNDLE_DEB },
	{ "/src/sysbox-ce.deb", BUNDLE_SYSBOX },
	{ "/src/a_1%3a2.0+b~1_all.deb", BUNDLE_DEB },
	{ "/src/empty.deb", BUNDLE_DEB },
};

static void make_sources(const struct place *p)
{
	char big[3000];

	memset(big, 'z', sizeof(big));
	assert_int_equal(host_mkdirs(&p->host, "/src", 0755, NULL, NULL), 0);
	write_file(p, SOURCES[0].path, big, sizeof(big));
	write_file(p, SOURCES[1].path, "sysbox!", 7);
	write_file(p, SOURCES[2].path, big, 512);
	write_file(p, SOURCES[3].path, "", 0);
}

static void make_bundle(const struct place *p)
{
	struct error err = ERROR_INIT;
	int r;

	make_sources(p);
	r = bundle_create(&p->host, SOURCES, ARRAY_SIZE(SOURCES), "bookworm", "amd64", p->bundle,
			  NULL, &err);
	if (r < 0)
		fail_msg("%s", err.message);
}

static void read_bundle(const struct place *p, char **ret, size_t *ret_len)
{
	assert_int_equal(host_read(&p->host, "/b.bundle", 1 << 20, ret, ret_len), 0);
}

static void count(void *userdata, uint64_t done, uint64_t total)
{
	assert_true(done <= total && total == 3000 + 7 + 512);
	*(uint64_t *)userdata = done;
}

static void test_round_trip(void **state)
{
	struct place *p = *state;
	_cleanup_(bundle_manifest_release) struct bundle_manifest m = BUNDLE_MANIFEST_INIT;
	uint64_t seen = 0;
	const struct progress progress = { .bytes = count, .userdata = &seen };
	struct error err = ERROR_INIT;

	make_bundle(p);
	assert_int_equal(bundle_verify(p->bundle, &progress, &m, &err), 0);
	assert_int_equal(seen, 3519);
	assert_string_equal(m.suite, "bookworm");
	assert_string_equal(m.arch, "amd64");
	assert_string_equal(m.created_by, "berth " BERTH_VERSION);
	assert_int_equal(m.file_count, 4);
	assert_string_equal(m.files[0].name, "a_1%3a2.0+b~1_all.deb");
	assert_string_equal(m.files[2].name, "sysbox-ce.deb");
	assert_int_equal(m.files[2].role, BUNDLE_SYSBOX);
	assert_int_equal(m.files[2].size, 7);
	assert_int_equal(bundle_verify(p->bundle, NULL, NULL, NULL), 0);
	assert_false(host_exists(&p->host, "/b.bundle.part"));
}

static void test_same_bytes(void **state)
{
	struct place *p = *state;
	struct bundle_source other_order[ARRAY_SIZE(SOURCES)];
	_cleanup_free_ char *a = NULL;
	_cleanup_free_ char *b = NULL;
	size_t a_len, b_len;

	make_bundle(p);
	read_bundle(p, &a, &a_len);
	for (size_t i = 0; i < ARRAY_SIZE(SOURCES); i++)
		other_order[i] = SOURCES[ARRAY_SIZE(SOURCES) - 1 - i];
	assert_int_equal(bundle_create(&p->host, other_order, ARRAY_SIZE(SOURCES), "bookworm",
				       "amd64", p->bundle, NULL, NULL),
			 0);
	read_bundle(p, &b, &b_len);
	assert_int_equal(a_len, b_len);
	assert_memory_equal(a, b, a_len);
}

static void test_extract(void **state)
{
	struct place *p = *state;
	_cleanup_(bundle_manifest_release) struct bundle_manifest m = BUNDLE_MANIFEST_INIT;
	_cleanup_free_ char *text = NULL;
	struct error err = ERROR_INIT;

	make_bundle(p);
	/* Twice: an earlier extraction, and one cut off, are in the way of nothing. */
	for (int i = 0; i < 2; i++) {
		bundle_manifest_release(&m);
		assert_int_equal(host_mkdirs(&p->host, "/cache/b.part", 0755, NULL, NULL), 0);
		write_file(p, "/cache/b.part/sysbox-ce.deb", "half", 4);
		assert_int_equal(bundle_extract(&p->host, p->bundle, "/cache/b", NULL, &m, &err),
				 0);
		assert_int_equal(m.file_count, 4);
		assert_content(p, "/cache/b/sysbox-ce.deb", "sysbox!");
		assert_content(p, "/cache/b/empty.deb", "");
		assert_int_equal(
			host_read(&p->host, "/cache/b/manifest.json", 1 << 20, &text, NULL), 0);
		assert_non_null(strstr(text, "\"berth-bundle\": 1"));
		freep(&text);
		text = NULL;
		assert_false(host_exists(&p->host, "/cache/b.part"));
		write_file(p, "/cache/b/of-an-older-bundle.deb", "x", 1);
	}
}

static void test_extract_keeps_foreign(void **state)
{
	struct place *p = *state;
	struct error err = ERROR_INIT;

	make_bundle(p);
	assert_int_equal(host_mkdirs(&p->host, "/home/user", 0755, NULL, NULL), 0);
	write_file(p, "/home/user/thesis", "x", 1);
	assert_int_equal(bundle_extract(&p->host, p->bundle, "/home/user", NULL, NULL, &err),
			 -EEXIST);
	assert_content(p, "/home/user/thesis", "x");
	assert_int_equal(bundle_extract(&p->host, p->bundle, "/home", NULL, NULL, &err), -EEXIST);
	assert_content(p, "/home/user/thesis", "x");
	assert_false(host_exists(&p->host, "/home.part"));
	assert_int_equal(host_mkdirs(&p->host, "/empty", 0755, NULL, NULL), 0);
	assert_int_equal(bundle_extract(&p->host, p->bundle, "/empty", NULL, NULL, &err), 0);
	assert_true(host_exists(&p->host, "/empty/sysbox-ce.deb"));
}

/* Whatever one byte is changed, it is noticed, and nothing is extracted. */
static void test_every_byte_counts(void **state)
{
	struct place *p = *state;
	_cleanup_free_ char *data = NULL;
	size_t len;
	int fd;

	make_bundle(p);
	read_bundle(p, &data, &len);
	fd = host_open(&p->host, "/b.bundle", O_RDWR, 0);
	assert_true(fd >= 0);
	for (size_t i = 0; i < len; i++) {
		struct error err = ERROR_INIT;
		char changed = (char)(data[i] ^ 1);

		assert_int_equal(pwrite(fd, &changed, 1, (off_t)i), 1);
		if (bundle_verify(p->bundle, NULL, NULL, &err) == 0)
			fail_msg("a change at byte %zu of %zu is not noticed", i, len);
		assert_true(err.code == EBADMSG || err.code == EINVAL ||
			    err.code == EPROTONOSUPPORT);
		assert_int_equal(pwrite(fd, &data[i], 1, (off_t)i), 1);
	}
	assert_int_equal(bundle_verify(p->bundle, NULL, NULL, NULL), 0);
	assert_int_equal(pwrite(fd, "X", 1, (off_t)len - 3000), 1);
	assert_int_equal(bundle_extract(&p->host, p->bundle, "/out", NULL, NULL, NULL), -EBADMSG);
	assert_false(host_exists(&p->host, "/out"));
	assert_false(host_exists(&p->host, "/out.part"));
	(void)close(fd);
}

static void test_truncated_and_trailing(void **state)
{
	struct place *p = *state;
	_cleanup_free_ char *data = NULL;
	struct error err = ERROR_INIT;
	size_t len;

	make_bundle(p);
	read_bundle(p, &data, &len);
	for (size_t cut = 0; cut < len; cut += 97) {
		assert_int_equal(truncate(p->bundle, (off_t)cut), 0);
		assert_int_equal(bundle_verify(p->bundle, NULL, NULL, &err), -EBADMSG);
		write_file(p, "/b.bundle", data, len);
	}
	assert_int_equal(truncate(p->bundle, (off_t)len - 1), 0);
	assert_int_equal(bundle_verify(p->bundle, NULL, NULL, &err), -EBADMSG);
	assert_non_null(strstr(err.message, "truncated"));
	assert_int_equal(truncate(p->bundle, (off_t)len + 1), 0);
	assert_int_equal(bundle_verify(p->bundle, NULL, NULL, &err), -EBADMSG);
	assert_non_null(strstr(err.message, "1 bytes more"));
}

/* Sizes that agree, but the members are not those of the manifest. */
static void test_wrong_members(void **state)
{
	struct place *p = *state;
	_cleanup_free_ char *data = NULL;
	struct error err = ERROR_INIT;
	unsigned char header[TAR_BLOCK];
	size_t len, first = 0;

	make_bundle(p);
	read_bundle(p, &data, &len);
	for (size_t at = TAR_BLOCK; at < len && !first; at += TAR_BLOCK)
		first = strcmp(data + at, "a_1%3a2.0+b~1_all.deb") == 0 ? at : 0;
	assert_true(first > 0);
	assert_int_equal(tar_header("other.deb", TAR_FILE, 0644, 512, header), 0);
	memcpy(data + first, header, sizeof(header));
	write_file(p, "/b.bundle", data, len);
	assert_int_equal(bundle_verify(p->bundle, NULL, NULL, &err), -EBADMSG);
	assert_non_null(
		strstr(err.message, "is 'other.deb' where 'a_1%3a2.0+b~1_all.deb' should be"));
	assert_int_equal(tar_header("a_1%3a2.0+b~1_all.deb", TAR_FILE, 04755, 512, header), 0);
	memcpy(data + first, header, sizeof(header));
	write_file(p, "/b.bundle", data, len);
	assert_int_equal(bundle_verify(p->bundle, NULL, NULL, &err), -EBADMSG);
	assert_non_null(strstr(err.message, "damaged before"));
}

static void test_no_bundle(void **state)
{
	struct place *p = *state;
	struct error err = ERROR_INIT;
	char text[2000];

	assert_int_equal(bundle_verify(p->bundle, NULL, NULL, &err), -ENOENT);
	assert_int_equal(bundle_verify(p->dir, NULL, NULL, &err), -EBADMSG);
	assert_int_equal(bundle_verify("/dev/zero", NULL, NULL, &err), -EBADMSG);
	memset(text, 'x', sizeof(text));
	write_file(p, "/b.bundle", text, sizeof(text));
	assert_int_equal(bundle_verify(p->bundle, NULL, NULL, &err), -EBADMSG);
	assert_non_null(strstr(err.message, "is not a berth bundle"));
}

static void test_create_refuses(void **state)
{
	struct place *p = *state;
	const struct bundle_source twice[] = { { "/src/empty.deb", BUNDLE_DEB },
					       { "/other/empty.deb", BUNDLE_DEB } };
	const struct bundle_source absent = { "/src/absent.deb", BUNDLE_DEB };
	const struct bundle_source hidden = { "/src/.x", BUNDLE_DEB };
	const struct bundle_source dir = { "/src", BUNDLE_DEB };
	struct error err = ERROR_INIT;

	make_sources(p);
	assert_int_equal(host_mkdirs(&p->host, "/other", 0755, NULL, NULL), 0);
	write_file(p, "/other/empty.deb", "", 0);
	write_file(p, "/src/.x", "", 0);
	assert_int_equal(bundle_create(&p->host, twice, 2, "s", "a", p->bundle, NULL, &err),
			 -EEXIST);
	assert_int_equal(bundle_create(&p->host, &absent, 1, "s", "a", p->bundle, NULL, &err),
			 -ENOENT);
	assert_int_equal(bundle_create(&p->host, &hidden, 1, "s", "a", p->bundle, NULL, &err),
			 -EINVAL);
	assert_int_equal(bundle_create(&p->host, &dir, 1, "s", "a", p->bundle, NULL, &err),
			 -EINVAL);
	assert_int_equal(bundle_create(&p->host, twice, 1, "S", "a", p->bundle, NULL, &err),
			 -EINVAL);
	assert_int_equal(bundle_create(&p->host, twice, 0, "s", "a", p->bundle, NULL, &err),
			 -EINVAL);
	assert_int_equal(bundle_create(&p->host, twice, 1, "s", "a", "/no/such/dir/b", NULL, &err),
			 -ENOENT);
	assert_false(host_exists(&p->host, "/b.bundle"));
	assert_false(host_exists(&p->host, "/b.bundle.part"));
}

/* A full disk leaves no half of a bundle, and no half of an extraction. */
static void test_no_room(void **state)
{
	struct place *p = *state;
	struct rlimit before, small = { 2048, 2048 };
	struct error err = ERROR_INIT;
	int created, extracted;

	make_bundle(p);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small.rlim_max = before.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	extracted = bundle_extract(&p->host, p->bundle, "/out", NULL, NULL, &err);
	created = bundle_create(&p->host, SOURCES, 4, "s", "a", "/tmp/berth-test-b2", NULL, &err);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(extracted, -EFBIG);
	assert_int_equal(created, -EFBIG);
	assert_false(host_exists(&p->host, "/out"));
	assert_false(host_exists(&p->host, "/out.part"));
	assert_int_equal(access("/tmp/berth-test-b2.part", F_OK), -1);
	assert_int_equal(access("/tmp/berth-test-b2", F_OK), -1);
}

#define SHA	    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define FILE1(name) "{\"name\":\"" name "\",\"size\":1,\"sha256\":\"" SHA "\",\"role\":\"deb\"}"
#define WITH(files) "{\"berth-bundle\":1,\"suite\":\"s\",\"arch\":\"a\",\"files\":[" files "]}"

static int parse(const char *text, struct error *err)
{
	_cleanup_(bundle_manifest_release) struct bundle_manifest m = BUNDLE_MANIFEST_INIT;

	return bundle_manifest_parse(text, strlen(text), &m, err);
}

static void test_manifest(void **state)
{
	static const struct {
		const char *text;
		int r;
		const char *says;
	} CASES[] = {
		{ WITH(FILE1("a.deb")), 0, "" },
		{ WITH(FILE1("a.deb") "," FILE1("b.deb")), 0, "" },
		{ "{\"later\":[1],"
		  "\"berth-bundle\":1,\"suite\":\"s\",\"arch\":\"a\",\"files\":[" FILE1(
			  "a.deb") "]}",
		  0, "" },
		{ WITH(FILE1("b.deb") "," FILE1("a.deb")), -EINVAL, "not in order" },
		{ WITH(FILE1("a.deb") "," FILE1("a.deb")), -EINVAL, "not in order" },
		{ WITH(""), -EINVAL, "lists no files" },
		{ WITH("1"), -EINVAL, "file name" },
		{ WITH(FILE1("../a")), -EINVAL, "file name '../a'" },
		{ WITH(FILE1("a/b")), -EINVAL, "file name" },
		{ WITH(FILE1("..")), -EINVAL, "file name" },
		{ WITH(FILE1("manifest.json")), -EINVAL, "file name" },
		{ WITH("{\"name\":\"a\",\"size\":-1,\"sha256\":\"" SHA "\",\"role\":\"deb\"}"),
		  -EINVAL, "size" },
		{ WITH("{\"name\":\"a\",\"size\":1073741825,\"sha256\":\"" SHA
		       "\",\"role\":\"deb\"}"),
		  -EINVAL, "size" },
		{ WITH("{\"name\":\"a\",\"size\":1.5,\"sha256\":\"" SHA "\",\"role\":\"deb\"}"),
		  -EINVAL, "size" },
		{ WITH("{\"name\":\"a\",\"size\":1,\"sha256\":\"E3\",\"role\":\"deb\"}"), -EINVAL,
		  "SHA-256" },
		{ WITH("{\"name\":\"a\",\"size\":1,\"sha256\":\"" SHA "\",\"role\":\"rpm\"}"),
		  -EINVAL, "role" },
		{ "{\"berth-bundle\":2}", -EPROTONOSUPPORT, "format 2, made by a newer berth" },
		{ "{\"berth-bundle\":0}", -EINVAL, "not one of a berth bundle" },
		{ "{\"berth-bundle\":\"1\"}", -EINVAL, "not one of a berth bundle" },
		{ "{\"berth-bundle\":1}", -EINVAL, "suite and arch" },
		{ "{\"berth-bundle\":1,\"suite\":\"a b\",\"arch\":\"a\"}", -EINVAL,
		  "suite and arch" },
		{ "{\"berth-bundle\":1,\"berth-bundle\":1}", -EINVAL, "duplicate" },
		{ "[]", -EINVAL, "not one of a berth bundle" },
		{ "", -EINVAL, "not valid JSON" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
		struct error err = ERROR_INIT;

		assert_int_equal(parse(CASES[i].text, &err), CASES[i].r);
		assert_non_null(strstr(err.message, CASES[i].says));
	}
}

static void test_names(void **state)
{
	char name[103];

	memset(name, 'n', sizeof(name));
	name[100] = '\0';
	assert_true(bundle_name_valid(name));
	name[100] = 'n';
	name[101] = '\0';
	assert_false(bundle_name_valid(name));
	assert_true(bundle_name_valid("docker.io_26.1.5+dfsg1-9~deb13u1_amd64.deb"));
	assert_false(bundle_name_valid("") || bundle_name_valid("a b") ||
		     bundle_name_valid("\xc3\xa4"));
	assert_true(bundle_word_valid("trixie") && !bundle_word_valid("../x"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_round_trip),
		TEST(test_same_bytes),
		TEST(test_extract),
		TEST(test_extract_keeps_foreign),
		TEST(test_every_byte_counts),
		TEST(test_truncated_and_trailing),
		TEST(test_wrong_members),
		TEST(test_no_bundle),
		TEST(test_create_refuses),
		TEST(test_no_room),
		cmocka_unit_test(test_manifest),
		cmocka_unit_test(test_names),
	};

	(void)signal(SIGXFSZ, SIG_IGN); /* a write past RLIMIT_FSIZE is EFBIG then */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
