/* For the tests of packages that berth unpacks itself: a small real one, with the host's real tar. */
#ifndef TESTS_DEB_FIXTURE_H
#define TESTS_DEB_FIXTURE_H

#include "change_fixture.h"

#include "engine/tar.h"

#define DEB "/root/s.deb"

static struct strbuf deb_tar;

_maybe_ static int deb_setup(void **state)
{
	int r = change_setup(state);

	os.packages = PACKAGES_DNF;
	put_program("tar", "exec /bin/tar \"$@\"");
	put("/etc/subuid", "");
	put("/etc/subgid", "");
	must(host_mkdirs(&host, "/usr/lib/systemd/system", 0755, NULL, &must_err));
	return r;
}

_maybe_ static int deb_teardown(void **state)
{
	strbuf_release(&deb_tar);
	return change_teardown(state);
}

_maybe_ static void deb_add(const char *name, const char *text, mode_t mode)
{
	assert_int_equal(tar_add_file(&deb_tar, name, text, strlen(text), mode), 0);
}

static void ar_member(struct strbuf *ar, const char *name, const void *data, size_t len)
{
	strbuf_printf(ar, "%-16s%-12s%-6s%-6s%-8s%-10zu`\n", name, "0", "0", "0", "100644", len);
	strbuf_add(ar, data, len);
	if (len & 1)
		strbuf_putc(ar, '\n');
}

/* What was added becomes the package at DEB. */
_maybe_ static void deb_write(const char *data_name)
{
	_cleanup_(strbuf_release) struct strbuf ar = STRBUF_INIT;

	assert_int_equal(tar_add_end(&deb_tar), 0);
	strbuf_puts(&ar, "!<arch>\n");
	ar_member(&ar, "debian-binary", "2.0\n", 4);
	ar_member(&ar, data_name, deb_tar.data, deb_tar.len);
	put_bytes(DEB, ar.data, ar.len, 0644);
	strbuf_release(&deb_tar);
}

#define deb_test(f) cmocka_unit_test_setup_teardown(f, deb_setup, deb_teardown)

#endif
