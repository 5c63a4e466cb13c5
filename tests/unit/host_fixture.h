/*
 * A small rooted host in a new folder, made for one test and taken away behind it, with functions
 * to fill it and to look at it. Fake programs in it are shell scripts: they find their host in
 * $HOST_ROOT and append their arguments to its file `calls`.
 */
#ifndef TESTS_HOST_FIXTURE_H
#define TESTS_HOST_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/strbuf.h"
#include "host/host.h"

#define _maybe_ __attribute__((unused))

#define must(call)                                                   \
	do {                                                         \
		if ((call) < 0)                                      \
			fail_msg("%s: %s", #call, must_err.message); \
	} while (0)

/* What the calls in must() fill, and tests may look at. */
static struct error must_err;

_maybe_ static int fixture_remove(const char *path, const struct stat *st, int type,
				  struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

/* An empty host; test_setup and test_teardown do it around each test. */
static struct host host;

_maybe_ static int test_setup(void **state)
{
	char dir[] = "/tmp/berth-test-XXXXXX";

	(void)state;
	error_clear(&must_err);
	return mkdtemp(dir) ? host_open_root(dir, &host, NULL) : -1;
}

_maybe_ static int test_teardown(void **state)
{
	int r = nftw(host.root, fixture_remove, 16, FTW_PHYS | FTW_DEPTH);

	(void)state;
	host_release(&host);
	return r;
}

/* As this process sees it; good until sixteen more were asked for. */
_maybe_ static const char *real(const char *path)
{
	static char ring[16][512];
	static size_t next;

	next = (next + 1) % ARRAY_SIZE(ring);
	(void)snprintf(ring[next], sizeof(ring[next]), "%s%s", host.root, path);
	return ring[next];
}

_maybe_ static void put_bytes(const char *path, const void *data, size_t len, mode_t mode)
{
	_cleanup_free_ char *dir = strdup(path);
	char *slash = strrchr(dir, '/');
	int fd;

	if (slash != dir) {
		*slash = '\0';
		must(host_mkdirs(&host, dir, 0755, NULL, &must_err));
	}
	fd = open(real(path), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(file_write_all(fd, data, len), 0);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

_maybe_ static void put(const char *path, const char *text)
{
	put_bytes(path, text, strlen(text), 0644);
}

/* /usr/bin/NAME: `script` behind a line that notes the call. */
_maybe_ static void put_program(const char *name, const char *script)
{
	_cleanup_free_ char *path = xasprintf("/usr/bin/%s", name);
	_cleanup_free_ char *text =
		xasprintf("#!/bin/sh\necho \"${0##*/} $*\" >>\"$HOST_ROOT/calls\"\n%s\n", script);

	put_bytes(path, text, strlen(text), 0755);
}

/* The text of a file, "" when it is not there; good until eight more were asked for. */
_maybe_ static const char *text_of(const char *path)
{
	static char *ring[8];
	static size_t next;
	char *text = NULL;

	if (file_read_at(AT_FDCWD, real(path), 1 << 20, &text, NULL) < 0)
		text = strdup("");
	next = (next + 1) % ARRAY_SIZE(ring);
	free(ring[next]);
	ring[next] = text;
	return text;
}

_maybe_ static bool is_there(const char *path)
{
	struct stat st;

	return lstat(real(path), &st) == 0;
}

_maybe_ static mode_t mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(lstat(real(path), &st), 0);
	return st.st_mode & 07777;
}

#define assert_text(path, expected) assert_string_equal(text_of(path), expected)
#define assert_says(text, part)                                           \
	do {                                                              \
		const char *said = (text);                                \
		if (!strstr(said, part))                                  \
			fail_msg("'%s' does not say '%s'", said, (part)); \
	} while (0)

_maybe_ static bool was_called(const char *part)
{
	return strstr(text_of("/calls"), part) != NULL;
}

/*
 * systemctl of a host whose units are files of `systemctl show` lines in /units. "start" and the
 * like edit them; a unit with the line "Broken=yes" does not start.
 */
_maybe_ static void put_systemctl(void)
{
	put("/units/none",
	    "LoadState=not-found\nActiveState=inactive\nSubState=dead\nUnitFileState=\n");
	put_program(
		"systemctl",
		"edit() { [ -e \"$HOST_ROOT/units/$2\" ] || { echo \"Unit $2 not found.\" >&2; exit 5; }\n"
		"  sed -i \"s/^$1=.*/$1=$3/\" \"$HOST_ROOT/units/$2\"; }\n"
		"while case $1 in --*) true;; *) false;; esac; do shift; done\n"
		"verb=$1; shift\n"
		"case $verb in\n"
		"show) while [ \"$1\" != -- ]; do shift; done; shift; next=\n"
		"  for u; do [ \"$next\" ] && echo; next=1\n"
		"    [ -e \"$HOST_ROOT/units/$u\" ] || u=none\n"
		"    while IFS= read -r line; do echo \"$line\"; done <\"$HOST_ROOT/units/$u\"\n"
		"  done;;\n"
		"start|restart) for u; do grep -qs Broken=yes \"$HOST_ROOT/units/$u\" && {\n"
		"  echo \"Job for $u failed.\" >&2; exit 1; }; edit ActiveState $u active; done;;\n"
		"stop) for u; do edit ActiveState $u inactive; done;;\n"
		"enable) for u; do edit UnitFileState $u enabled; done;;\n"
		"disable) for u; do edit UnitFileState $u disabled; done;;\n"
		"esac");
}

_maybe_ static void put_unit(const char *name, const char *active, const char *enabled,
			     const char *more)
{
	_cleanup_free_ char *path = xasprintf("/units/%s", name);
	_cleanup_free_ char *text = xasprintf(
		"LoadState=loaded\nActiveState=%s\nSubState=running\nUnitFileState=%s\n%s", active,
		enabled, more);

	put(path, text);
}

_maybe_ static bool unit_has(const char *name, const char *line)
{
	_cleanup_free_ char *path = xasprintf("/units/%s", name);
	_cleanup_free_ char *whole = xasprintf("\n%s\n", line);

	return strstr(text_of(path), whole) != NULL;
}

#define host_test(f) cmocka_unit_test_setup_teardown(f, test_setup, test_teardown)

#endif
