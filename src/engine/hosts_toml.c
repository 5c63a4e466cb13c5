#include "engine/hosts_toml.h"

#include <ctype.h>

#include "base/strbuf.h"

void registry_hosts_release(struct registry_hosts *hosts)
{
	for (size_t i = 0; i < hosts->len; i++) {
		free(hosts->mirrors[i].host);
		free(hosts->mirrors[i].authority);
	}
	free(hosts->mirrors);
	free(hosts->server);
	*hosts = REGISTRY_HOSTS_INIT;
}

/* The first string between quotes of either kind in a line; NULL: none. free() it. */
static char *quoted(const char *line, size_t len)
{
	const char *end = line + len, *from = line, *to;

	while (from < end && !strchr("\"'", *from))
		from++;
	to = from < end ? memchr(from + 1, *from, (size_t)(end - from) - 1) : NULL;
	return to ? strndup(from + 1, (size_t)(to - from) - 1) : NULL;
}

/* "https://HOST/PATH": the host, whether the scheme is http, and whether there is a path. */
static char *host_of(const char *url, bool *ret_http, bool *ret_path)
{
	const char *begin = strstr(url, "://");
	size_t n;

	*ret_http = strncmp(url, "http://", 7) == 0;
	begin = begin ? begin + 3 : url;
	n = strcspn(begin, "/");
	*ret_path = begin[n] && begin[n + 1];
	return strndup(begin, n);
}

static int add_mirror(struct registry_hosts *hosts, const char *line, size_t len)
{
	struct registry_mirror *more = reallocarray(hosts->mirrors, hosts->len + 1, sizeof(*more));
	_cleanup_free_ char *url = quoted(line, len);
	struct registry_mirror mirror = { 0 };

	if (!more)
		return -ENOMEM;
	hosts->mirrors = more;
	if (!url)
		return 0;
	mirror.host = host_of(url, &mirror.insecure, &mirror.unlike);
	if (!mirror.host)
		return -ENOMEM;
	hosts->mirrors[hosts->len++] = mirror;
	return 0;
}

/* "[host.'https://HOST'.header]": credentials, as a rule. All mirrors on that host: one too many is only told of. */
static int mark_unlike(struct registry_hosts *hosts, const char *line, size_t len)
{
	_cleanup_free_ char *url = quoted(line, len), *host = NULL;
	bool ignored;

	if (!url)
		return 0;
	host = host_of(url, &ignored, &ignored);
	for (size_t i = 0; host && i < hosts->len; i++)
		hosts->mirrors[i].unlike |= strcmp(hosts->mirrors[i].host, host) == 0;
	return host ? 0 : -ENOMEM;
}

static bool is_true(const char *value)
{
	return strncmp(value, "true", 4) == 0;
}

/* One key of a mirror; a list of capabilities may go over several lines, and then says "pull" or not in any. */
static void take_key(struct registry_mirror *mirror, const char *key, size_t n, const char *value, size_t len)
{
	if (n == 11 && strncmp(key, "skip_verify", n) == 0)
		mirror->insecure |= is_true(value);
	else if (n == 13 && strncmp(key, "override_path", n) == 0)
		mirror->unlike |= is_true(value);
	else if ((n == 6 && strncmp(key, "client", n) == 0) || (n >= 6 && strncmp(key, "header", 6) == 0))
		mirror->unlike = true;
	else if (n == 2 && strncmp(key, "ca", n) == 0 && !mirror->authority)
		mirror->authority = quoted(value, len);
	else if (n == 12 && strncmp(key, "capabilities", n) == 0 && memchr(value, ']', len))
		mirror->unlike |= !memmem(value, len, "pull", 4);
}

/* The table that a line is in. */
enum place { ABOVE, OF_A_HOST, ELSEWHERE };

static bool is_host(const char *line, size_t len)
{
	return len > 8 && strncmp(line, "[host.", 6) == 0 && strchr("\"'", line[6]) && line[len - 1] == ']' &&
	       strchr("\"'", line[len - 2]);
}

static bool is_header(const char *line, size_t len)
{
	return len > 16 && strncmp(line, "[host.", 6) == 0 && strncmp(line + len - 8, ".header]", 8) == 0;
}

static int take_line(struct registry_hosts *hosts, enum place *place, const char *line, size_t len)
{
	const char *equals = memchr(line, '=', len), *value;
	size_t n = equals ? (size_t)(equals - line) : 0;
	bool ignored;

	if (*line == '[') {
		*place = is_host(line, len) ? OF_A_HOST : ELSEWHERE;
		return *place == OF_A_HOST    ? add_mirror(hosts, line, len) :
		       is_header(line, len) ? mark_unlike(hosts, line, len) :
					      0;
	}
	if (!equals)
		return 0;
	while (n && isspace((unsigned char)line[n - 1]))
		n--;
	value = equals + 1;
	while (value < line + len && isblank((unsigned char)*value))
		value++;
	len -= (size_t)(value - line);
	if (*place == OF_A_HOST && hosts->len)
		take_key(&hosts->mirrors[hosts->len - 1], line, n, value, len);
	if (*place == ABOVE && n == 6 && strncmp(line, "server", n) == 0 && !hosts->server) {
		_cleanup_free_ char *url = quoted(value, len);

		hosts->server = url ? host_of(url, &ignored, &ignored) : NULL;
	}
	return 0;
}

int hosts_toml_read(const char *text, struct registry_hosts *ret)
{
	_cleanup_(registry_hosts_release) struct registry_hosts hosts = REGISTRY_HOSTS_INIT;
	enum place place = ABOVE;
	int r = 0;

	while (r == 0 && *text) {
		const char *line = text + strspn(text, " \t"), *end = strchrnul(line, '\n');
		size_t len = (size_t)(end - line);

		text = *end ? end + 1 : end;
		while (len && isspace((unsigned char)line[len - 1]))
			len--;
		if (len && *line != '#')
			r = take_line(&hosts, &place, line, len);
	}
	if (r < 0)
		return r;
	*ret = hosts;
	hosts = REGISTRY_HOSTS_INIT;
	return 0;
}
