#include "host/packages.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>

#include "base/strbuf.h"

#define STATUS_CAP ((size_t)128 << 20)

void package_db_release(struct package_db *db)
{
	for (size_t i = 0; i < db->len; i++) {
		free(db->items[i].name);
		free(db->items[i].version);
	}
	free(db->items);
	*db = (struct package_db){ 0 };
}

static int add(struct package_db *db, const struct package *package)
{
	struct package *items = db->items;

	/* Room in powers of two: status files list thousands. */
	if ((db->len & (db->len - 1)) == 0) {
		size_t room = db->len ? db->len * 2 : 1;

		items = reallocarray(db->items, room, sizeof(*items));
		if (!items)
			return -ENOMEM;
		db->items = items;
	}
	db->items[db->len++] = *package;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct package *)a)->name, ((const struct package *)b)->name);
}

/* "want flag state" of dpkg's Status field. */
static void take_status(struct package *package, const char *status)
{
	const char *state = strrchr(status, ' ');

	state = state ? state + 1 : status;
	package->installed = strcmp(state, "installed") == 0;
	package->configured_only = strcmp(state, "config-files") == 0;
	package->broken = !package->installed && !package->configured_only &&
			  strcmp(state, "not-installed") != 0;
	if (strstr(status, " reinstreq "))
		package->broken = true;
}

struct stanza {
	struct package package;
	char *status;
};

static void stanza_release(struct stanza *s)
{
	free(s->package.name);
	free(s->package.version);
	free(s->status);
	*s = (struct stanza){ 0 };
}

static int stanza_end(struct stanza *s, struct package_db *db)
{
	int r = 0;

	if (s->package.name) {
		take_status(&s->package, s->status ? s->status : "");
		if (!s->package.version)
			s->package.version = strdup("");
		r = s->package.version ? add(db, &s->package) : -ENOMEM;
		if (r == 0)
			s->package = (struct package){ 0 };
	}
	stanza_release(s);
	return r;
}

static int field(struct stanza *s, const char *line, size_t len)
{
	const struct {
		const char *key;
		char **value;
	} fields[] = {
		{ "Package: ", &s->package.name },
		{ "Version: ", &s->package.version },
		{ "Status: ", &s->status },
	};

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		size_t n = strlen(fields[i].key);

		if (len > n && memcmp(line, fields[i].key, n) == 0 && !*fields[i].value) {
			*fields[i].value = strndup(line + n, len - n);
			return *fields[i].value ? 0 : -ENOMEM;
		}
	}
	return 0;
}

int package_db_parse(const char *text, size_t len, struct package_db *ret, struct error *err)
{
	_cleanup_(package_db_release) struct package_db db = { 0 };
	_cleanup_(stanza_release) struct stanza stanza = { 0 };
	int r = 0;

	for (size_t at = 0; r == 0 && at < len;) {
		const char *line = text + at;
		const char *newline = memchr(line, '\n', len - at);
		size_t n = newline ? (size_t)(newline - line) : len - at;

		at += n + 1;
		r = n == 0 ? stanza_end(&stanza, &db) : field(&stanza, line, n);
	}
	if (r == 0)
		r = stanza_end(&stanza, &db);
	if (r < 0)
		return error_errno(err, r, "read the package database");
	if (db.len)
		qsort(db.items, db.len, sizeof(*db.items), by_name);
	*ret = db;
	db = (struct package_db){ 0 };
	return 0;
}

static int read_rpm(const struct host *host, struct package_db *ret, struct error *err)
{
	static const char *const ARGV[] = {
		"rpm", "-qa", "--qf",
		"Package: %{NAME}\\nVersion: %{VERSION}-%{RELEASE}\\nStatus: install ok installed\\n\\n",
		NULL,
	};
	_cleanup_(spawn_result_release) struct spawn_result result = SPAWN_RESULT_INIT;
	struct spawn_options options = { .timeout_ms = 60000, .output_cap = 8 << 20 };
	int r = host_check(host, ARGV, &options, &result, err);

	if (r < 0)
		return error_context(err, "list the installed packages");
	return package_db_parse(strbuf_str(&result.out), result.out.len, ret, err);
}

int package_db_read(const struct host *host, enum package_family family, struct package_db *ret,
		    struct error *err)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r;

	*ret = (struct package_db){ 0 };
	if (family == PACKAGES_NONE)
		return 0;
	if (family == PACKAGES_DNF)
		return read_rpm(host, ret, err);
	r = host_read(host, "/var/lib/dpkg/status", STATUS_CAP, &text, &len);
	if (r < 0)
		return error_errno(err, r, "read '/var/lib/dpkg/status'");
	return package_db_parse(text, len, ret, err);
}

bool package_db_interrupted(const struct host *host)
{
	int fd = host_open(host, "/var/lib/dpkg/updates", O_RDONLY | O_DIRECTORY, 0);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	bool found = false;

	if (!dir) {
		(void)fd_close(fd);
		return false;
	}
	while (!found && (entry = readdir(dir)))
		found = isdigit((unsigned char)entry->d_name[0]);
	(void)closedir(dir);
	return found;
}

const struct package *package_db_find(const struct package_db *db, const char *name)
{
	struct package key = { .name = NULL };

	if (!db->len)
		return NULL;
	memcpy(&key.name, &name, sizeof(name)); /* bsearch only reads it */
	return bsearch(&key, db->items, db->len, sizeof(*db->items), by_name);
}

bool package_db_installed(const struct package_db *db, const char *name)
{
	const struct package *package = package_db_find(db, name);

	return package && package->installed;
}

/* deb-version(7): '~' before the end, the end before letters, letters before all else. */
static int order(int c)
{
	if (c == '~')
		return -1;
	if (isalpha(c))
		return c;
	return c && !isdigit(c) ? c + 256 : 0;
}

static int compare_part(const char *a, const char *a_end, const char *b, const char *b_end)
{
	while (a < a_end || b < b_end) {
		int first = 0;

		while ((a < a_end && !isdigit((unsigned char)*a)) ||
		       (b < b_end && !isdigit((unsigned char)*b))) {
			int ca = a < a_end ? order((unsigned char)*a) : 0;
			int cb = b < b_end ? order((unsigned char)*b) : 0;

			if (ca != cb)
				return ca - cb;
			a += a < a_end;
			b += b < b_end;
		}
		while (a < a_end && *a == '0')
			a++;
		while (b < b_end && *b == '0')
			b++;
		for (; a < a_end && isdigit((unsigned char)*a) && b < b_end &&
		       isdigit((unsigned char)*b); a++, b++) {
			if (!first)
				first = *a - *b;
		}
		if (a < a_end && isdigit((unsigned char)*a))
			return 1;
		if (b < b_end && isdigit((unsigned char)*b))
			return -1;
		if (first)
			return first;
	}
	return 0;
}

static unsigned long epoch(const char **version)
{
	const char *colon = strchr(*version, ':');
	unsigned long value = 0;

	if (!colon)
		return 0;
	for (const char *p = *version; p < colon; p++)
		value = value * 10 + (unsigned long)(*p - '0');
	*version = colon + 1;
	return value;
}

int package_version_compare(const char *a, const char *b)
{
	unsigned long ea = epoch(&a), eb = epoch(&b);
	const char *ra = strrchr(a, '-'), *rb = strrchr(b, '-');
	const char *a_end = ra ? ra : a + strlen(a), *b_end = rb ? rb : b + strlen(b);
	int r;

	if (ea != eb)
		return ea < eb ? -1 : 1;
	r = compare_part(a, a_end, b, b_end);
	if (r)
		return r;
	ra = ra ? ra + 1 : "0";
	rb = rb ? rb + 1 : "0";
	return compare_part(ra, ra + strlen(ra), rb, rb + strlen(rb));
}
