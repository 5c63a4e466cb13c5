#include "host/packages.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>

#include "base/lines.h"
#include "base/strbuf.h"

void package_db_release(struct package_db *db)
{
	for (size_t i = 0; i < db->len; i++) {
		free(db->items[i].name);
		free(db->items[i].spec);
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
	/* Configured; only the triggers it activated or has an interest in have not run. */
	package->triggers = strcmp(state, "triggers-awaited") == 0 ||
			    strcmp(state, "triggers-pending") == 0;
	package->installed = package->triggers || strcmp(state, "installed") == 0;
	package->configured_only = strcmp(state, "config-files") == 0;
	package->broken = !package->installed && !package->configured_only &&
			  strcmp(state, "not-installed") != 0;
	if (strstr(status, " reinstreq "))
		package->broken = true;
	else if (strncmp(status, "install ", 8) == 0)
		package->unpacked = strcmp(state, "unpacked") == 0 ||
				    strcmp(state, "half-configured") == 0;
}

/* A stanza is put together a line at a time: status files are long, and little of them is wanted. */
struct parser {
	struct package_db db;
	struct package package; /* of the stanza being read */
	char *status;
	char *architecture;
};

static void stanza_release(struct parser *parser)
{
	free(parser->package.name);
	free(parser->package.spec);
	free(parser->package.version);
	free(parser->status);
	free(parser->architecture);
	parser->package = (struct package){ 0 };
	parser->status = parser->architecture = NULL;
}

static void parser_release(struct parser *parser)
{
	stanza_release(parser);
	package_db_release(&parser->db);
}

static int stanza_end(struct parser *parser)
{
	struct package *package = &parser->package;
	int r = 0;

	if (package->name) {
		const char *arch = parser->architecture;

		take_status(package, parser->status ? parser->status : "");
		if (!package->version)
			package->version = strdup("");
		package->spec = arch && strcmp(arch, "all") != 0 ?
					xasprintf("%s:%s", package->name, arch) :
					strdup(package->name);
		r = package->version && package->spec ? add(&parser->db, package) : -ENOMEM;
		if (r == 0)
			*package = (struct package){ 0 };
	}
	stanza_release(parser);
	return r;
}

static int parse_line(void *userdata, const char *line, size_t len)
{
	struct parser *parser = userdata;
	const struct {
		const char *key;
		char **value;
	} fields[] = {
		{ "Package: ", &parser->package.name },
		{ "Version: ", &parser->package.version },
		{ "Status: ", &parser->status },
		{ "Architecture: ", &parser->architecture },
	};

	if (!len)
		return stanza_end(parser);
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		size_t n = strlen(fields[i].key);

		if (len > n && memcmp(line, fields[i].key, n) == 0 && !*fields[i].value) {
			*fields[i].value = strndup(line + n, len - n);
			return *fields[i].value ? 0 : -ENOMEM;
		}
	}
	return 0;
}

/* `r` is what reading came to. */
static int parser_finish(struct parser *parser, int r, struct package_db *ret, struct error *err)
{
	struct package_db *db = &parser->db;

	if (r == 0)
		r = stanza_end(parser);
	if (r < 0)
		return error_errno(err, r, "read the package database");
	if (db->len)
		qsort(db->items, db->len, sizeof(*db->items), by_name);
	*ret = *db;
	*db = (struct package_db){ 0 };
	return 0;
}

int package_db_parse(const char *text, size_t len, struct package_db *ret, struct error *err)
{
	_cleanup_(parser_release) struct parser parser = { 0 };
	int r = 0;

	for (size_t at = 0; r == 0 && at < len;) {
		const char *newline = memchr(text + at, '\n', len - at);
		size_t n = newline ? (size_t)(newline - text) - at : len - at;

		r = parse_line(&parser, text + at, n);
		at += n + 1;
	}
	return parser_finish(&parser, r, ret, err);
}

struct rpm_lines {
	struct parser parser;
	int result;
};

static void take_rpm_line(void *userdata, int stream, const char *line)
{
	struct rpm_lines *lines = userdata;

	if (stream == 1 && lines->result == 0)
		lines->result = parse_line(&lines->parser, line, strlen(line));
}

static int read_rpm(const struct host *host, struct package_db *ret, struct error *err)
{
	static const char *const ARGV[] = {
		"rpm", "-qa", "--qf",
		"Package: %{NAME}\\nVersion: %{VERSION}-%{RELEASE}\\nStatus: install ok installed\\n\\n",
		NULL,
	};
	struct rpm_lines lines = { 0 };
	struct spawn_options options = { .timeout_ms = 60000,
					 .output_cap = 1,
					 .on_line = take_rpm_line,
					 .userdata = &lines };
	int r = host_check(host, ARGV, &options, NULL, err);

	if (r < 0)
		r = error_context(err, "list the installed packages");
	else
		r = parser_finish(&lines.parser, lines.result, ret, err);
	parser_release(&lines.parser);
	return r;
}

static int read_dpkg(const struct host *host, struct package_db *ret, struct error *err)
{
	_cleanup_(parser_release) struct parser parser = { 0 };
	_cleanup_fd_ int fd = host_open(host, "/var/lib/dpkg/status", O_RDONLY | O_NONBLOCK, 0);

	if (fd < 0)
		return error_errno(err, fd, "read '/var/lib/dpkg/status'");
	return parser_finish(&parser, lines_read_fd(fd, parse_line, &parser), ret, err);
}

int package_db_read(const struct host *host, enum package_family family, struct package_db *ret,
		    struct error *err)
{
	*ret = (struct package_db){ 0 };
	if (family == PACKAGES_NONE)
		return 0;
	return family == PACKAGES_DNF ? read_rpm(host, ret, err) : read_dpkg(host, ret, err);
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

bool package_db_has(const struct package_db *db, const char *name, const char *version)
{
	const struct package *package = package_db_find(db, name);

	return package && package->installed && package_version_is_of(package->version, version);
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

bool package_version_is_of(const char *version, const char *begin)
{
	size_t n = strlen(begin);

	return n && strncmp(version, begin, n) == 0 && !isdigit((unsigned char)version[n]);
}
