#include "host/os.h"

#include <sys/utsname.h>

#include "base/strbuf.h"

void os_clear(struct os *os)
{
	free(os->id);
	free(os->version);
	free(os->codename);
	free(os->pretty);
	free(os->arch);
	free(os->kernel);
	strv_release(&os->like);
	*os = (struct os){ 0 };
}

/* A shell-quoted value as os-release(5) allows it: "..." and '...' and backslash, nothing expanded. */
static char *unquote(const char *s, size_t len)
{
	_cleanup_(strbuf_release) struct strbuf sb = STRBUF_INIT;
	char quote = 0;

	for (size_t i = 0; i < len; i++) {
		char c = s[i];

		if (quote && c == quote) {
			quote = 0;
		} else if (!quote && (c == '"' || c == '\'')) {
			quote = c;
		} else if (c == '\\' && quote != '\'') {
			if (++i >= len)
				return NULL;
			strbuf_putc(&sb, s[i]);
		} else {
			strbuf_putc(&sb, c);
		}
	}
	return quote ? NULL : strbuf_steal(&sb);
}

static int take_line(struct os *os, const char *line, size_t len)
{
	const struct {
		const char *key;
		char **field;
	} fields[] = {
		{ "ID", &os->id },
		{ "VERSION_ID", &os->version },
		{ "VERSION_CODENAME", &os->codename },
		{ "PRETTY_NAME", &os->pretty },
	};
	const char *equals = memchr(line, '=', len);
	_cleanup_free_ char *value = NULL;
	size_t key_len;

	if (!equals || equals == line)
		return -EINVAL;
	key_len = (size_t)(equals - line);
	value = unquote(equals + 1, len - key_len - 1);
	if (!value)
		return -EINVAL;
	if (key_len == 7 && memcmp(line, "ID_LIKE", 7) == 0)
		return strv_split(&os->like, value, " ");
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		if (strlen(fields[i].key) == key_len && memcmp(line, fields[i].key, key_len) == 0) {
			free(*fields[i].field);
			*fields[i].field = TAKE_PTR(value);
			break;
		}
	}
	return 0;
}

static enum package_family family_of(const struct os *os)
{
	static const struct {
		const char *id;
		enum package_family family;
	} TABLE[] = {
		{ "debian", PACKAGES_APT }, { "ubuntu", PACKAGES_APT },	  { "rhel", PACKAGES_DNF },
		{ "fedora", PACKAGES_DNF }, { "centos", PACKAGES_DNF },	  { "rocky", PACKAGES_DNF },
		{ "almalinux", PACKAGES_DNF }, { "amzn", PACKAGES_DNF },
	};

	for (size_t i = 0; i < ARRAY_SIZE(TABLE); i++) {
		if (os_is(os, TABLE[i].id))
			return TABLE[i].family;
	}
	return PACKAGES_NONE;
}

int os_parse(const char *text, size_t len, struct os *ret, struct error *err)
{
	_cleanup_(os_clear) struct os os = { 0 };
	char **empty[] = { &os.id, &os.version, &os.codename, &os.pretty };
	unsigned number = 0;

	for (size_t at = 0; at < len;) {
		const char *line = text + at;
		const char *newline = memchr(line, '\n', len - at);
		size_t n = newline ? (size_t)(newline - line) : len - at;
		int r;

		at += n + 1;
		number++;
		while (n && (line[n - 1] == '\r' || line[n - 1] == ' '))
			n--;
		if (n == 0 || *line == '#')
			continue;
		r = take_line(&os, line, n);
		if (r < 0)
			return error_set(err, -r, "os-release line %u is not of the form KEY=value",
					 number);
	}
	for (size_t i = 0; i < ARRAY_SIZE(empty); i++) {
		if (!*empty[i] && !(*empty[i] = strdup("")))
			return error_errno(err, ENOMEM, "read os-release");
	}
	os.packages = family_of(&os);
	*ret = os;
	os = (struct os){ 0 };
	return 0;
}

static int machine(const struct host *host, struct os *os)
{
	struct utsname uts;

	if (uname(&uts) < 0)
		return -errno;
	os->arch = host_fact(host, "arch");
	os->kernel = host_fact(host, "kernel");
	if (!os->arch)
		os->arch = strdup(uts.machine);
	if (!os->kernel)
		os->kernel = strdup(uts.release);
	return os->arch && os->kernel ? 0 : -ENOMEM;
}

int os_read(const struct host *host, struct os *ret, struct error *err)
{
	static const char *const PLACES[] = { "/etc/os-release", "/usr/lib/os-release" };
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	int r = -ENOENT;

	for (size_t i = 0; r == -ENOENT && i < ARRAY_SIZE(PLACES); i++)
		r = host_read(host, PLACES[i], 65536, &text, &len);
	if (r < 0 && r != -ENOENT)
		return error_errno(err, r, "read os-release");
	r = os_parse(text ? text : "", len, ret, err);
	if (r == 0 && (r = machine(host, ret)) < 0) {
		os_clear(ret);
		return error_errno(err, r, "ask for the machine's name");
	}
	return r;
}

bool os_is(const struct os *os, const char *id)
{
	return (os->id && strcmp(os->id, id) == 0) || strv_contains(&os->like, id);
}

const char *os_deb_arch(const struct os *os)
{
	if (strcmp(os->arch, "x86_64") == 0)
		return "amd64";
	if (strcmp(os->arch, "aarch64") == 0)
		return "arm64";
	return NULL;
}
