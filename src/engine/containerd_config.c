#include "engine/containerd_config.h"

#include <ctype.h>
#include <fnmatch.h>

#include "base/units.h"

void containerd_config_release(struct containerd_config *config)
{
	strv_release(&config->imports);
	*config = CONTAINERD_CONFIG_INIT;
}

/* TOML's own lexing, as far as values must be told from what is in them. */
struct reader {
	const char *text;
	size_t len, at;
	const char *path;
	struct error *err;
};

static int bad(const struct reader *r, const char *why)
{
	unsigned line = 1;

	for (size_t i = 0; i < r->at && i < r->len; i++)
		line += r->text[i] == '\n';
	return error_set(r->err, EINVAL, "%s:%u: %s", r->path, line, why);
}

static int peek(const struct reader *r)
{
	return r->at < r->len ? (unsigned char)r->text[r->at] : -1;
}

static bool looks_at(const struct reader *r, const char *what)
{
	size_t n = strlen(what);

	return r->len - r->at >= n && memcmp(r->text + r->at, what, n) == 0;
}

static void skip_comment(struct reader *r)
{
	while (peek(r) >= 0 && peek(r) != '\n')
		r->at++;
}

/* Blanks, and with `lines` newlines and comments. */
static void skip_blank(struct reader *r, bool lines)
{
	for (;;) {
		int c = peek(r);

		if (c == ' ' || c == '\t' || c == '\r' || (lines && c == '\n'))
			r->at++;
		else if (lines && c == '#')
			skip_comment(r);
		else
			return;
	}
}

/* Any of the four kinds, from its first quote; `ret` gets what is in one of a line. */
static int read_string(struct reader *r, struct strbuf *ret)
{
	char quote = r->text[r->at];
	const char three[4] = { quote, quote, quote, '\0' };
	bool many = looks_at(r, three);

	r->at += many ? 3 : 1;
	for (;; r->at++) {
		int c = peek(r);

		if (c < 0 || (c == '\n' && !many))
			return bad(r, "a string is not ended");
		if (c == quote && (!many || looks_at(r, three))) {
			r->at += many ? 3 : 1;
			return 0;
		}
		if (c == '\\' && quote == '"') {
			r->at++;
			c = peek(r);
			if (c < 0)
				return bad(r, "a string is not ended");
		}
		if (ret)
			strbuf_putc(ret, (char)c);
	}
}

/* A value of any kind, to the end of its line. */
static int skip_value(struct reader *r)
{
	unsigned depth = 0;

	for (;;) {
		int c = peek(r);

		if (c < 0)
			return depth ? bad(r, "a bracket is not closed") : 0;
		if (c == '"' || c == '\'') {
			int e = read_string(r, NULL);

			if (e < 0)
				return e;
			continue;
		}
		if (c == '#') {
			skip_comment(r);
			continue;
		}
		if (c == '[' || c == '{')
			depth++;
		if ((c == ']' || c == '}') && depth-- == 0)
			return bad(r, "a bracket is closed that was not opened");
		r->at++;
		if (c == '\n' && !depth)
			return 0;
	}
}

static int read_imports(struct reader *r, struct containerd_config *config)
{
	if (config->has_imports)
		return bad(r, "imports is there twice");
	if (peek(r) != '[')
		return bad(r, "imports is no list");
	r->at++;
	config->has_imports = true;
	config->array_at = config->last_end = r->at;
	for (;;) {
		_cleanup_(strbuf_release) struct strbuf item = STRBUF_INIT;
		int c, e;

		skip_blank(r, true);
		c = peek(r);
		if (c == ']') {
			r->at++;
			return skip_value(r);
		}
		if (c != '"' && c != '\'')
			return bad(r, "imports is a list of texts");
		e = read_string(r, &item);
		if (e == 0 && strv_add(&config->imports, strbuf_str(&item)) < 0)
			e = error_errno(r->err, ENOMEM, "read '%s'", r->path);
		if (e < 0)
			return e;
		config->last_end = r->at;
		skip_blank(r, true);
		if (peek(r) == ',')
			r->at++;
		else if (peek(r) != ']')
			return bad(r, "a comma or a bracket is missing in imports");
	}
}

static int read_version(struct reader *r, struct containerd_config *config)
{
	size_t begin = r->at;
	char digits[8] = "";
	uint64_t number;

	while (isdigit(peek(r)))
		r->at++;
	if (r->at - begin >= sizeof(digits))
		return bad(r, "version is no number");
	memcpy(digits, r->text + begin, r->at - begin);
	if (u64_parse(digits, &number) < 0)
		return bad(r, "version is no number");
	config->version = (unsigned)number;
	return skip_value(r);
}

/* One part of a key, bare or quoted. */
static int read_part(struct reader *r, struct strbuf *ret)
{
	size_t begin = r->at;

	if (peek(r) == '"' || peek(r) == '\'')
		return read_string(r, ret);
	for (; isalnum(peek(r)) || peek(r) == '_' || peek(r) == '-'; r->at++)
		strbuf_putc(ret, r->text[r->at]);
	return r->at > begin ? 0 : bad(r, "this is neither a key nor a table");
}

/* A key up to its '='. `ret` is that of one part; a dotted one is in a table of its first part's name, and "" here. */
static int read_name(struct reader *r, struct strbuf *ret)
{
	for (bool dotted = false;; dotted = true) {
		int e = read_part(r, ret);

		if (e < 0)
			return e;
		if (dotted)
			strbuf_reset(ret);
		skip_blank(r, false);
		if (peek(r) == '=')
			return 0;
		if (peek(r) != '.')
			return bad(r, "this is neither a key nor a table");
		r->at++;
		skip_blank(r, false);
	}
}

/* "key = value", and what else can be above the first table. */
static int read_key(struct reader *r, struct containerd_config *config)
{
	_cleanup_(strbuf_release) struct strbuf key = STRBUF_INIT;
	int e = read_name(r, &key);

	if (e < 0)
		return e;
	r->at++;
	skip_blank(r, false);
	if (strcmp(strbuf_str(&key), "imports") == 0)
		return read_imports(r, config);
	if (strcmp(strbuf_str(&key), "version") != 0)
		return skip_value(r);
	e = read_version(r, config);
	config->insert_at = r->at;
	return e;
}

int containerd_config_read(const char *text, size_t len, const char *path, struct containerd_config *ret,
			   struct error *err)
{
	_cleanup_(containerd_config_release) struct containerd_config config = CONTAINERD_CONFIG_INIT;
	struct reader reader = { .text = text, .len = len, .path = path, .err = err };
	int r = 0;

	for (;;) {
		skip_blank(&reader, true);
		if (peek(&reader) < 0 || peek(&reader) == '[')
			break;
		r = read_key(&reader, &config);
		if (r < 0)
			return r;
	}
	*ret = config;
	config = CONTAINERD_CONFIG_INIT;
	return 0;
}

char *containerd_import_path(const char *config_path, const char *pattern)
{
	const char *slash = strrchr(config_path, '/');

	return *pattern == '/' ? strdup(pattern) : xasprintf("%.*s/%s", (int)(slash - config_path), config_path, pattern);
}

bool containerd_config_imports(const struct containerd_config *config, const char *config_path, const char *path)
{
	bool found = false;

	strv_foreach (&config->imports, i, pattern) {
		_cleanup_free_ char *whole = containerd_import_path(config_path, pattern);

		found = found || (whole && fnmatch(whole, path, FNM_PATHNAME | FNM_PERIOD) == 0);
	}
	return found;
}

int containerd_config_add(const char *text, size_t len, const struct containerd_config *config, const char *pattern,
			  struct strbuf *ret)
{
	size_t at = config->has_imports ? config->last_end : config->insert_at;

	strbuf_add(ret, text, at);
	/* A last line may have no end. */
	if (!config->has_imports && at && text[at - 1] != '\n')
		strbuf_putc(ret, '\n');
	if (!config->has_imports)
		strbuf_printf(ret, "imports = ['%s']\n", pattern);
	else
		strbuf_printf(ret, "%s'%s'", config->imports.len ? ", " : "", pattern);
	strbuf_add(ret, text + at, len - at);
	return strbuf_failed(ret) ? -ENOMEM : 0;
}

/* With the comma before it; the first with the one behind it, and blanks up to the next. */
static void cut_item(struct reader *r, const struct containerd_config *config, size_t index, size_t *ret_from,
		     size_t *ret_to)
{
	size_t end = config->array_at;

	r->at = config->array_at;
	for (size_t i = 0; i <= index; i++) {
		skip_blank(r, true);
		*ret_from = i ? end : r->at;
		(void)read_string(r, NULL);
		*ret_to = end = r->at;
		skip_blank(r, true);
		if (peek(r) != ',')
			continue;
		r->at++;
		if (index == 0 && config->imports.len > 1)
			skip_blank(r, true);
		if (index == 0)
			*ret_to = r->at;
	}
}

/* The whole line of the key, when nothing else is on it. */
static bool cut_line(const char *text, size_t len, size_t at, size_t *ret_from, size_t *ret_to)
{
	size_t from = at, to = at;

	while (from > 0 && text[from - 1] != '\n')
		from--;
	while (to < len && text[to] != '\n')
		to++;
	if (memchr(text + from, '#', to - from) || !memchr(text + at, ']', to - at))
		return false;
	*ret_from = from;
	*ret_to = to < len ? to + 1 : to;
	return true;
}

int containerd_config_drop(const char *text, size_t len, const char *pattern, struct strbuf *ret, struct error *err)
{
	_cleanup_(containerd_config_release) struct containerd_config config = CONTAINERD_CONFIG_INIT;
	struct reader reader = { .text = text, .len = len, .path = "config.toml", .err = err };
	size_t from = 0, to = 0;
	bool found = false;
	int r = containerd_config_read(text, len, "config.toml", &config, err);

	for (size_t i = 0; r == 0 && !found && i < config.imports.len; i++) {
		found = strcmp(config.imports.items[i], pattern) == 0;
		if (found && (config.imports.len > 1 || !cut_line(text, len, config.array_at, &from, &to)))
			cut_item(&reader, &config, i, &from, &to);
	}
	if (r < 0)
		return r;
	strbuf_add(ret, text, from);
	strbuf_add(ret, text + to, len - to);
	return strbuf_failed(ret) ? error_errno(err, ENOMEM, "take an import away") : found;
}

/* Headers and names with either kind of quotes are the same. */
static bool same_name(const char *a, size_t len, const char *b)
{
	size_t i = 0;

	if (len != strlen(b))
		return false;
	while (i < len && (a[i] == b[i] || (strchr("'\"", a[i]) && strchr("'\"", b[i]))))
		i++;
	return i == len;
}

static char *value_of(const char *line, size_t len)
{
	while (len && isspace((unsigned char)line[len - 1]))
		len--;
	if (len >= 2 && strchr("'\"", line[0]) && line[len - 1] == line[0])
		return strndup(line + 1, len - 2);
	return strndup(line, len);
}

char *containerd_dump_value(const char *dump, const char *table, const char *key)
{
	bool inside = *table == '\0';

	for (const char *line = dump; *line;) {
		const char *end = strchrnul(line, '\n');
		const char *text = line + strspn(line, " \t");
		const char *equals = memchr(text, '=', (size_t)(MAX_OF(end, text) - text));

		line = *end ? end + 1 : end;
		if (text >= end)
			continue;
		if (*text == '[' && end[-1] == ']') {
			if (inside && !*table)
				return NULL;
			inside = same_name(text + 1, (size_t)(end - text) - 2, table);
		} else if (inside && equals) {
			size_t n = (size_t)(equals - text);

			while (n && text[n - 1] == ' ')
				n--;
			equals += 1 + strspn(equals + 1, " ");
			if (same_name(text, n, key))
				return value_of(equals, (size_t)(MAX_OF(end, equals) - equals));
		}
	}
	return NULL;
}

/* The first part of a header behind a table's, without its quotes; NULL: it is not below that. */
static const char *part_below(const char *header, size_t len, const char *table, size_t *ret_len)
{
	size_t n = strlen(table), quoted;

	if (len <= n + 1 || header[n] != '.' || !same_name(header, n, table))
		return NULL;
	header += n + 1;
	len -= n + 1;
	quoted = *header == '\'' || *header == '"';
	*ret_len = quoted ? strcspn(header + 1, *header == '"' ? "\"" : "'") : strcspn(header, ".]");
	return *ret_len + quoted <= len ? header + quoted : NULL;
}

int containerd_dump_tables(const char *dump, const char *table, struct strv *ret)
{
	int r = 0;

	for (const char *line = dump; r >= 0 && *line;) {
		const char *end = strchrnul(line, '\n'), *text = line + strspn(line, " \t"), *part;
		_cleanup_free_ char *name = NULL;
		size_t n = 0;

		line = *end ? end + 1 : end;
		if (text >= end || *text != '[' || end[-1] != ']')
			continue;
		part = part_below(text + 1, (size_t)(end - text) - 2, table, &n);
		name = part ? strndup(part, n) : NULL;
		r = !part ? 0 : name ? strv_add_new(ret, name) : -ENOMEM;
	}
	return r < 0 ? r : 0;
}
