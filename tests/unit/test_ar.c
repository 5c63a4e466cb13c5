#include "host_fixture.h"

#include "engine/ar.h"

/* As ar(5) has it: name, size, and the end of a header; what is between is not looked at. */
static void add(struct strbuf *ar, const char *name, const char *data, const char *size)
{
	_cleanup_free_ char *real_size = xasprintf("%zu", strlen(data));

	strbuf_printf(ar, "%-16s%-12s%-6s%-6s%-8s%-10s`\n%s", name, "0", "0", "0", "100644",
		      size ? size : real_size, data);
	if (strlen(data) & 1)
		strbuf_putc(ar, '\n');
}

static struct strbuf archive;

static int setup(void **state)
{
	strbuf_puts(&archive, "!<arch>\n");
	return test_setup(state);
}

static int teardown(void **state)
{
	strbuf_release(&archive);
	return test_teardown(state);
}

static int saved(void)
{
	int fd;

	put_bytes("/a.deb", archive.data, archive.len, 0644);
	fd = open(real("/a.deb"), O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static void members_in_order(void **state)
{
	_cleanup_fd_ int fd = -EBADF;
	struct ar_member member;
	struct ar ar;
	char byte;

	add(&archive, "debian-binary", "2.0\n", NULL);
	add(&archive, "odd/", "abc", NULL);
	add(&archive, "sixteen-letters-", "", NULL);
	fd = saved();
	assert_int_equal(ar_open(fd, &ar), 0);
	assert_int_equal(ar_next(&ar, &member), 1);
	assert_string_equal(member.name, "debian-binary");
	assert_int_equal(member.size, 4);
	assert_int_equal(ar_next(&ar, &member), 1);
	assert_string_equal(member.name, "odd");
	assert_int_equal(pread(fd, &byte, 1, (off_t)member.offset), 1);
	assert_int_equal(byte, 'a');
	assert_int_equal(ar_next(&ar, &member), 1);
	assert_string_equal(member.name, "sixteen-letters-");
	assert_int_equal(ar_next(&ar, &member), 0);
}

static void a_package(void **state)
{
	static const char *const NAMES[] = { "data.tar", "data.tar.gz", "data.tar.xz", "data.tar.zst" };

	for (size_t i = 0; i < ARRAY_SIZE(NAMES); i++) {
		_cleanup_fd_ int fd = -EBADF;
		struct ar_member member;

		strbuf_reset(&archive);
		strbuf_puts(&archive, "!<arch>\n");
		add(&archive, "debian-binary", "2.0\n", NULL);
		add(&archive, "control.tar.xz", "abc", NULL);
		add(&archive, NAMES[i], "files", NULL);
		fd = saved();
		must(deb_find_data(fd, "/a.deb", &member, &must_err));
		assert_string_equal(member.name, NAMES[i]);
		assert_int_equal(member.size, 5);
	}
}

static void assert_refused(int code, const char *says)
{
	_cleanup_fd_ int fd = saved();
	struct ar_member member = { .size = 77 };
	struct error err = ERROR_INIT;

	assert_int_equal(deb_find_data(fd, "/a.deb", &member, &err), -code);
	assert_says(err.message, says);
	assert_int_equal(member.size, 77);
}

#define NOT_WHOLE "'/a.deb' is not a whole Debian package (truncated?): get it again"

/* At every length but the whole: an error, never a member that is not all there. */
static void cut_off_anywhere(void **state)
{
	size_t whole;

	add(&archive, "debian-binary", "2.0\n", NULL);
	add(&archive, "data.tar.xz", "even", NULL);
	whole = archive.len;
	for (size_t len = whole; len-- > 0;) {
		archive.len = len;
		assert_refused(EBADMSG, NOT_WHOLE);
	}
}

static void damaged(void **state)
{
	static const struct {
		const char *first, *version, *name, *size;
		int code;
		const char *says;
	} CASES[] = {
		{ "debian-binary", "2.0\n", "data.tar.lzma", NULL, EPROTONOSUPPORT, "'data.tar.lzma'" },
		{ "debian-binary", "3.0\n", "data.tar.xz", NULL, EBADMSG, NOT_WHOLE },
		{ "debian-binary", "2", "data.tar.xz", NULL, EBADMSG, NOT_WHOLE },
		{ "something", "2.0\n", "data.tar.xz", NULL, EBADMSG, NOT_WHOLE },
		{ "debian-binary", "2.0\n", "control.tar.xz", NULL, EBADMSG, NOT_WHOLE },
		{ "debian-binary", "2.0\n", "data.tar.xz", "9999999999", EBADMSG, NOT_WHOLE },
		{ "debian-binary", "2.0\n", "data.tar.xz", "", EBADMSG, NOT_WHOLE },
		{ "debian-binary", "2.0\n", "data.tar.xz", "-1", EBADMSG, NOT_WHOLE },
		{ "debian-binary", "2.0\n", "data.tar.xz", "1x", EBADMSG, NOT_WHOLE },
		{ "debian-binary", "2.0\n", "", NULL, EBADMSG, NOT_WHOLE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
		strbuf_reset(&archive);
		strbuf_puts(&archive, "!<arch>\n");
		add(&archive, CASES[i].first, CASES[i].version, NULL);
		add(&archive, CASES[i].name, "x", CASES[i].size);
		assert_refused(CASES[i].code, CASES[i].says);
	}
}

#define ar_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ar_test(members_in_order),
		ar_test(a_package),
		ar_test(cut_off_anywhere),
		ar_test(damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
