#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "base/lines.h"
#include "base/strbuf.h"

#include <cmocka.h>
#include <fcntl.h>
#include <sys/mman.h>

static int text_fd(const char *text, size_t len)
{
	int fd = memfd_create("text", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), len);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static int collect(void *userdata, const char *line, size_t len)
{
	struct strbuf *all = userdata;

	assert_int_equal(line[len], '\0');
	strbuf_add(all, line, len);
	strbuf_puts(all, "|");
	return 0;
}

static void lines_of_a_text(void **state)
{
	static const struct {
		const char *text;
		size_t len;
		const char *lines;
	} TABLE[] = {
		{ "", 0, "" },
		{ "\n", 1, "|" },
		{ "a", 1, "a|" },
		{ "a\n", 2, "a|" },
		{ "a\n\nb", 4, "a||b|" },
		{ "a\n\n", 3, "a||" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(TABLE); i++) {
		_cleanup_(strbuf_release) struct strbuf all = STRBUF_INIT;
		_cleanup_fd_ int fd = text_fd(TABLE[i].text, TABLE[i].len);

		assert_int_equal(lines_read_fd(fd, collect, &all), 0);
		assert_string_equal(strbuf_str(&all), TABLE[i].lines);
	}
}

static void nul_is_a_byte_like_others(void **state)
{
	_cleanup_(strbuf_release) struct strbuf all = STRBUF_INIT;
	_cleanup_fd_ int fd = text_fd("a\0b\nc", 5);

	assert_int_equal(lines_read_fd(fd, collect, &all), 0);
	assert_int_equal(all.len, 6);
	assert_memory_equal(all.data, "a\0b|c|", 6);
}

static int measure(void *userdata, const char *line, size_t len)
{
	size_t **next = userdata;

	assert_true(len == 0 || line[len - 1] == 'x');
	*(*next)++ = len;
	return 0;
}

/* Across the borders of what is read at once, and longer than what is kept. */
static void long_lines_are_cut(void **state)
{
	static const size_t LENGTHS[] = { LINES_MAX - 1, LINES_MAX, LINES_MAX + 1, 3 * LINES_MAX, 5, 0 };
	_cleanup_(strbuf_release) struct strbuf text = STRBUF_INIT;
	size_t found[ARRAY_SIZE(LENGTHS)], *next = found;
	_cleanup_fd_ int fd = -EBADF;

	for (size_t i = 0; i < ARRAY_SIZE(LENGTHS); i++) {
		for (size_t j = 0; j < LENGTHS[i]; j++)
			strbuf_puts(&text, "x");
		strbuf_puts(&text, "\n");
	}
	fd = text_fd(strbuf_str(&text), text.len);
	assert_int_equal(lines_read_fd(fd, measure, &next), 0);
	assert_ptr_equal(next, found + ARRAY_SIZE(LENGTHS));
	for (size_t i = 0; i < ARRAY_SIZE(LENGTHS); i++)
		assert_int_equal(found[i], MIN_OF(LENGTHS[i], LINES_MAX));
}

static int stop_at_b(void *userdata, const char *line, size_t len)
{
	assert_string_not_equal(line, "c");
	return strcmp(line, "b") == 0 ? *(int *)userdata : 0;
}

static void a_result_ends_it(void **state)
{
	for (int result = -7; result <= 7; result += 14) {
		_cleanup_fd_ int fd = text_fd("a\nb\nc\n", 6);

		assert_int_equal(lines_read_fd(fd, stop_at_b, &result), result);
	}
}

static void what_cannot_be_read(void **state)
{
	_cleanup_(strbuf_release) struct strbuf all = STRBUF_INIT;
	_cleanup_fd_ int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_int_equal(lines_read_fd(fd, collect, &all), -EISDIR);
	assert_int_equal(lines_read_fd(-1, collect, &all), -EBADF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_of_a_text),     cmocka_unit_test(nul_is_a_byte_like_others),
		cmocka_unit_test(long_lines_are_cut),  cmocka_unit_test(a_result_ends_it),
		cmocka_unit_test(what_cannot_be_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
