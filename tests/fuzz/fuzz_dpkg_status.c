/* Input: the text of a dpkg status file. Sorted packages, and versions that have one order. */
#include "host/packages.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static int sign(int n)
{
	return (n > 0) - (n < 0);
}

static int compare(const char *a, const char *b)
{
	int forth = sign(package_version_compare(a, b));

	must(forth == -sign(package_version_compare(b, a)));
	return forth;
}

static void check_order(const char *a, const char *b, const char *c)
{
	int ab = compare(a, b), bc = compare(b, c), ac = compare(a, c);

	must(package_version_compare(a, a) == 0);
	must(!(ab <= 0 && bc <= 0) || ac <= 0);
	must(!(ab >= 0 && bc >= 0) || ac >= 0);
	must(!(ab == 0 && bc == 0) || ac == 0);
}

static void check_package(const struct package_db *db, size_t i)
{
	const struct package *p = &db->items[i];
	const struct package *found = package_db_find(db, p->name);

	must(p->name && p->version);
	must(i == 0 || strcmp(db->items[i - 1].name, p->name) <= 0);
	must(found && strcmp(found->name, p->name) == 0);
	must(!p->installed || !p->configured_only);
	if (i >= 2)
		check_order(db->items[i - 2].version, db->items[i - 1].version, p->version);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(package_db_release) struct package_db db = { 0 };
	struct error err = ERROR_INIT;

	must(package_db_parse((const char *)data, size, &db, &err) == 0);
	for (size_t i = 0; i < db.len; i++)
		check_package(&db, i);
	must(!package_db_find(&db, "no\nname")); /* a line has no end of line in it */
	return 0;
}
