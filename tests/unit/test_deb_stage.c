#include "deb_fixture.h"

#include "change/deb_stage.h"

static struct staged staged;

static int teardown(void **state)
{
	staged_release(&staged);
	return deb_teardown(state);
}

static const struct staged_file *staged_of(const char *path)
{
	for (size_t i = 0; i < staged.len; i++) {
		if (strcmp(staged.items[i].path, path) == 0)
			return &staged.items[i];
	}
	fail_msg("'%s' is not staged", path);
	return NULL;
}

static void where_files_belong(void **state)
{
	static const char *const PLACES[][2] = {
		{ "usr/bin/sysbox-runc", "/usr/bin/sysbox-runc" },
		{ "etc/sysbox.conf", "/etc/sysbox.conf" },
		{ "lib/systemd/system/sysbox.service", "/usr/lib/systemd/system/sysbox.service" },
		{ "lib/sysctl.d/99-s.conf", "/usr/lib/sysctl.d/99-s.conf" },
		{ "usr/lib/modules-load.d/s.conf", "/usr/lib/modules-load.d/s.conf" },
	};
	char sha256[DIGEST_HEX_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(PLACES); i++)
		deb_add(PLACES[i][0], PLACES[i][0], i ? 0644 : 04755);
	deb_add("usr/share/doc/sysbox-ce/copyright", "x", 0644);
	deb_write("data.tar");
	assert_int_equal(deb_can_stage(&host, DEB, &must_err), 1);
	must(deb_stage(&ctx, DEB, &staged, &must_err));
	assert_int_equal(staged.len, ARRAY_SIZE(PLACES));
	for (size_t i = 0; i < ARRAY_SIZE(PLACES); i++) {
		const struct staged_file *file = staged_of(PLACES[i][1]);

		digest_hex(PLACES[i][0], strlen(PLACES[i][0]), sha256);
		assert_string_equal(file->sha256, sha256);
		assert_int_equal(file->mode, i ? 0644 : 0755); /* never setuid */
		assert_text(file->source, PLACES[i][0]);
	}
	assert_int_equal(mode_of("/var/lib/berth/cache/unpacked"), 0700);
	must(deb_unstage(&host, &must_err));
	assert_false(is_there("/var/lib/berth/cache/unpacked"));
}

static void unpacked_once(void **state)
{
	deb_add("usr/bin/a", "one", 0755);
	deb_write("data.tar");
	must(deb_stage(&ctx, DEB, &staged, &must_err));
	staged_release(&staged);
	assert_int_equal(unlink(real("/calls")), 0);
	must(deb_stage(&ctx, DEB, &staged, &must_err));
	assert_false(was_called("tar"));
	staged_release(&staged);
	/* Another package is not that one. */
	deb_add("usr/bin/b", "two", 0755);
	deb_write("data.tar");
	must(deb_stage(&ctx, DEB, &staged, &must_err));
	assert_int_equal(staged.len, 1);
	(void)staged_of("/usr/bin/b");
}

static void assert_refused(int code, const char *says)
{
	struct error err = ERROR_INIT;

	deb_write("data.tar");
	assert_int_equal(deb_stage(&ctx, DEB, &staged, &err), -code);
	assert_says(err.message, says);
	assert_int_equal(staged.len, 0);
}

static void what_is_not_taken(void **state)
{
	static const char *const NAMES[] = { "opt/x", "root/.ssh/authorized_keys", "lib/modules/x.ko",
					     "bin/sh", "var/lib/x", "usr/bin/odd name" };

	for (size_t i = 0; i < ARRAY_SIZE(NAMES); i++) {
		deb_add("usr/bin/a", "one", 0755);
		deb_add(NAMES[i], "x", 0644);
		assert_refused(EBADMSG, "which berth does not put on a host");
	}
	assert_refused(EBADMSG, "has no files in it");
}

/* Things that no ustar of ours has: made by a tar that makes them. */
static void only_regular_files(void **state)
{
	static const char *const MAKE[] = { "ln -s /etc/passwd", "mkfifo" };

	for (size_t i = 0; i < ARRAY_SIZE(MAKE); i++) {
		_cleanup_free_ char *script = xasprintf(
			"/bin/tar \"$@\" && %s "
			"\"$HOST_ROOT/var/lib/berth/cache/unpacked.part/tree/usr/bin/z\"",
			MAKE[i]);

		put_program("tar", script);
		deb_add("usr/bin/a", "one", 0755);
		assert_refused(EBADMSG, "has '/usr/bin/z' in it");
		must(deb_unstage(&host, &must_err));
	}
}

static void not_to_be_unpacked(void **state)
{
	struct error err = ERROR_INIT;

	put_program("tar", "echo 'tar: Unexpected EOF in archive' >&2; exit 2");
	deb_add("usr/bin/a", "one", 0755);
	assert_refused(EBADMSG, "cannot be unpacked: tar: Unexpected EOF in archive");
	assert_int_equal(unlink(real("/usr/bin/tar")), 0);
	assert_int_equal(deb_can_stage(&host, DEB, &must_err), 0);
	deb_add("usr/bin/a", "one", 0755);
	assert_refused(ENOENT, "the program 'tar' is not on this host");
	put_program("tar", "");
	deb_add("usr/bin/a", "one", 0755);
	deb_write("data.tar.zst");
	assert_int_equal(deb_can_stage(&host, DEB, &must_err), 0);
	assert_int_equal(deb_stage(&ctx, DEB, &staged, &err), -ENOENT);
	assert_says(err.message, "the program 'zstd' is not on this host");
	put(DEB, "half");
	assert_int_equal(deb_can_stage(&host, DEB, &err), -EBADMSG);
	assert_says(err.message, "is not a whole Debian package (truncated?)");
}

#define stage_test(f) cmocka_unit_test_setup_teardown(f, deb_setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		stage_test(where_files_belong), stage_test(unpacked_once),
		stage_test(what_is_not_taken),	stage_test(only_regular_files),
		stage_test(not_to_be_unpacked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
