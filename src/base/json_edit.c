#include "base/json_edit.h"

/* The text is known to be valid JSON here (jansson read it): the scanner only finds places in it.
 */

struct member {
	size_t key, key_end;	 /* from quote to behind quote */
	size_t value, value_end; /* first byte and behind the last */
};

struct object {
	size_t open, close; /* of its braces */
	size_t count;
	struct member last;
	struct member before_last; /* count >= 2 */
};

/* Where the walk down a path ended: in `object`, at key number `depth` of the path. */
struct place {
	struct object object;
	bool multiline; /* the member that holds the object begins a line; true for the top object
			 */
	size_t depth;
	bool found;			     /* then `member` is the one at the path's end */
	struct member member, before, after; /* the neighbours, where there are any */
	bool has_before, has_after;
};

struct span {
	const char *data;
	size_t len;
};

/* How new text is to be laid out, by the example of what is there. */
struct style {
	struct span eol;
	struct span unit;  /* one level of indentation */
	struct span colon; /* between key and value */
	bool spaced;	   /* a blank behind colons and commas */
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static size_t skip_blank(const struct strbuf *t, size_t at)
{
	while (at < t->len && is_blank(t->data[at]))
		at++;
	return at;
}

static size_t skip_string(const struct strbuf *t, size_t at)
{
	for (at++; at < t->len && t->data[at] != '"'; at++) {
		if (t->data[at] == '\\')
			at++;
	}
	return MIN_OF(at + 1, t->len);
}

/* Behind the value that begins at `at`. */
static size_t skip_value(const struct strbuf *t, size_t at)
{
	size_t depth = 0;

	do {
		char c = t->data[MIN_OF(at, t->len)]; /* at the end: the NUL */

		if (c == '"') {
			at = skip_string(t, at);
			continue;
		}
		if (c == '{' || c == '[')
			depth++;
		else if (c == '}' || c == ']')
			depth--;
		else if (depth == 0)
			/* A number or a word: as far as it goes. */
			while (at + 1 < t->len && !is_blank(t->data[at + 1]) &&
			       !strchr(",]}", t->data[at + 1]))
				at++;
		at++;
	} while (depth && at < t->len);
	return MIN_OF(at, t->len);
}

/* The next member from `at` on; false at the closing brace, whose place ret->key then is. */
static bool next_member(const struct strbuf *t, size_t at, struct member *ret)
{
	at = skip_blank(t, at);
	if (at < t->len && t->data[at] == ',')
		at = skip_blank(t, at + 1);
	*ret = (struct member) { .key = at };
	if (at >= t->len || t->data[at] != '"')
		return false;
	ret->key_end = skip_string(t, at);
	ret->value = skip_blank(t, skip_blank(t, ret->key_end) + 1);
	ret->value_end = skip_value(t, ret->value);
	return true;
}

/* Keys are compared decoded: "a\u0062" is "ab". */
static bool key_is(const struct strbuf *t, const struct member *m, const char *key)
{
	const char *raw = t->data + m->key;
	size_t len = m->key_end - m->key;
	_cleanup_json_ json_t *decoded = NULL;

	if (!memchr(raw, '\\', len))
		return strlen(key) == len - 2 && memcmp(raw + 1, key, len - 2) == 0;
	decoded = json_loadb(raw, len, JSON_DECODE_ANY, NULL);
	return decoded && strcmp(json_string_value(decoded), key) == 0;
}

/* Read the object at `open`, and look for `key` in it (NULL: only read it). */
static void scan_object(const struct strbuf *t, size_t open, const char *key, struct place *ret)
{
	struct object *o = &ret->object;
	struct member m;

	*o = (struct object) { .open = open };
	ret->found = ret->has_before = ret->has_after = false;
	for (size_t at = open + 1; next_member(t, at, &m); at = m.value_end) {
		o->before_last = o->last;
		o->last = m;
		o->count++;
		if (ret->found && !ret->has_after) {
			ret->after = m;
			ret->has_after = true;
		}
		if (!ret->found && key && key_is(t, &m, key)) {
			ret->member = m;
			ret->found = true;
			ret->has_before = o->count > 1;
			ret->before = o->before_last;
		}
	}
	o->close = m.key;
}

static bool has_newline(const struct strbuf *t, size_t from, size_t to)
{
	return to > from && memchr(t->data + from, '\n', to - from);
}

/* Does the member begin a line (comma-first lines too)? */
static bool begins_line(const struct strbuf *t, size_t key)
{
	while (key > 0 && (is_blank(t->data[key - 1]) || t->data[key - 1] == ',')) {
		if (t->data[--key] == '\n')
			return true;
	}
	return false;
}

/* Types on the way were checked in the tree: what is found above the last key is an object. */
static void walk(const struct strbuf *t, const char *const *path, struct place *ret)
{
	size_t open = skip_blank(t, 0);

	*ret = (struct place) { .multiline = true };
	for (;;) {
		scan_object(t, open, path[ret->depth], ret);
		if (!ret->found || !path[ret->depth + 1])
			return;
		ret->multiline = begins_line(t, ret->member.key);
		open = ret->member.value;
		ret->depth++;
	}
}

/* The blanks that begin the line on which `at` is. */
static struct span line_indent(const struct strbuf *t, size_t at)
{
	size_t from = at, to;

	while (from > 0 && t->data[from - 1] != '\n')
		from--;
	for (to = from; to < at && (t->data[to] == ' ' || t->data[to] == '\t'); to++)
		;
	return (struct span) { t->data + from, to - from };
}

/* What the object's last member is indented by, more than the object is itself. */
static struct span object_unit(const struct strbuf *t, const struct object *o)
{
	struct span outer = line_indent(t, o->open), inner;

	if (o->count == 0 || !begins_line(t, o->last.key))
		return (struct span) { NULL, 0 };
	inner = line_indent(t, o->last.key);
	if (inner.len <= outer.len || memcmp(inner.data, outer.data, outer.len) != 0)
		return (struct span) { NULL, 0 };
	return (struct span) { inner.data + outer.len, inner.len - outer.len };
}

static struct style find_style(const struct strbuf *t, const struct object *object)
{
	const char *newline = memchr(t->data, '\n', t->len);
	struct style style = { .eol = { "\n", 1 }, .unit = { "  ", 2 }, .colon = { ": ", 2 } };
	struct span unit = object_unit(t, object);
	const struct object *example = object;
	struct place top;

	scan_object(t, skip_blank(t, 0), NULL, &top);
	if (newline && newline > t->data && newline[-1] == '\r')
		style.eol = (struct span) { "\r\n", 2 };
	if (unit.len == 0)
		unit = object_unit(t, &top.object);
	if (unit.len)
		style.unit = unit;
	if (example->count == 0)
		example = &top.object;
	if (example->count && !has_newline(t, example->last.key_end, example->last.value))
		style.colon = (struct span) { t->data + example->last.key_end,
					      example->last.value - example->last.key_end };
	style.spaced = is_blank(style.colon.data[style.colon.len - 1]);
	return style;
}

static void add_span(struct strbuf *out, struct span s)
{
	strbuf_add(out, s.data, s.len);
}

/* Blanks of the text, without the empty lines among them. */
static void add_blanks(struct strbuf *out, const struct strbuf *t, size_t from, size_t to)
{
	for (size_t at = to; at > from; at--) {
		if (t->data[at - 1] != '\n')
			continue;
		from = at - 1;
		if (from > 0 && t->data[from - 1] == '\r')
			from--;
		break;
	}
	strbuf_add(out, t->data + from, to - from);
}

/*
 * The value's text. Over several lines each is put below the one that `out` ends with: jansson
 * indents by one blank a level, which becomes the style's unit.
 */
static int add_value(struct strbuf *out, const json_t *value, const struct style *style, bool lines)
{
	size_t flags =
		JSON_ENCODE_ANY | (style->spaced ? 0 : JSON_COMPACT) | (lines ? JSON_INDENT(1) : 0);
	_cleanup_free_ char *dump = json_dumps(value, flags);
	struct span base = line_indent(out, out->len);
	_cleanup_free_ char *indent = strndup(base.data ? base.data : "", base.len);

	if (!dump || !indent)
		return -ENOMEM;
	for (const char *p = dump; *p;) {
		size_t n = strcspn(p, "\n");

		strbuf_add(out, p, n);
		p += n;
		if (!*p)
			break;
		add_span(out, style->eol);
		strbuf_puts(out, indent);
		for (p++; *p == ' '; p++)
			add_span(out, style->unit);
	}
	return 0;
}

static int add_member(struct strbuf *out, const char *key, const json_t *value,
		      const struct style *style, bool lines)
{
	_cleanup_json_ json_t *name = json_string(key);
	_cleanup_free_ char *dump = name ? json_dumps(name, JSON_ENCODE_ANY) : NULL;

	if (!dump)
		return -ENOMEM;
	strbuf_puts(out, dump);
	add_span(out, style->colon);
	return add_value(out, value, style, lines);
}

/* Put another value in a member's place; a list written on one line stays on one. */
static int replace_value(const struct strbuf *t, const struct place *p, const json_t *value,
			 struct strbuf *out)
{
	struct style style = find_style(t, &p->object);
	size_t from = p->member.value, to = p->member.value_end;
	bool lines = begins_line(t, p->member.key);
	int r;

	if (strchr("{[", t->data[from]) && skip_blank(t, from + 1) < to - 1)
		lines = has_newline(t, from, to);
	strbuf_add(out, t->data, from);
	r = add_value(out, value, &style, lines);
	strbuf_add(out, t->data + to, t->len - to);
	return r;
}

/* What comes between the last member and a new one: as between the last two. */
static void add_separator(struct strbuf *out, const struct strbuf *t, const struct object *o,
			  const struct style *style)
{
	if (o->count > 1) {
		size_t comma = skip_blank(t, o->before_last.value_end);

		add_blanks(out, t, o->before_last.value_end, comma);
		strbuf_putc(out, ',');
		add_blanks(out, t, comma + 1, o->last.key);
		return;
	}
	strbuf_putc(out, ',');
	if (has_newline(t, o->open, o->last.key))
		add_blanks(out, t, o->open + 1, o->last.key);
	else if (style->spaced)
		strbuf_putc(out, ' ');
}

/* A new member: behind the last, or as the first of an object that has none. */
static int insert_member(const struct strbuf *t, const struct place *p, const char *key,
			 const json_t *value, struct strbuf *out)
{
	const struct object *o = &p->object;
	struct style style = find_style(t, o);
	struct span indent = line_indent(t, o->open);
	bool first = o->count == 0;
	bool lines = first ? p->multiline || has_newline(t, o->open, o->close)
			   : begins_line(t, o->last.key);
	size_t from = first ? o->open + 1 : o->last.value_end;
	int r;

	strbuf_add(out, t->data, from);
	if (!first) {
		add_separator(out, t, o, &style);
	} else if (lines) {
		add_span(out, style.eol);
		add_span(out, indent);
		add_span(out, style.unit);
	}
	r = add_member(out, key, value, &style, lines);
	if (first && lines) {
		add_span(out, style.eol);
		add_span(out, indent);
	}
	from = first ? o->close : from;
	strbuf_add(out, t->data + from, t->len - from);
	return r;
}

/* {"rest": {"of": {"the path": value}}} */
static int wrap(const char *const *rest, const json_t *value, json_t **ret)
{
	_cleanup_json_ json_t *inner = json_deep_copy(value);
	size_t n = 0;

	while (rest[n])
		n++;
	while (inner && n) {
		json_t *outer = json_object();

		/* Takes inner, also when it fails. */
		if (json_object_set_new(outer, rest[--n], TAKE_PTR(inner)) == 0)
			inner = TAKE_PTR(outer);
		json_decref(outer);
	}
	*ret = TAKE_PTR(inner);
	return *ret ? 0 : -ENOMEM;
}

/* `value` has the rest of the path around it where an object on the way is absent. */
static int set_text(const struct strbuf *t, const char *const *path, const json_t *value,
		    struct strbuf *out)
{
	struct place p;

	walk(t, path, &p);
	return p.found ? replace_value(t, &p, value, out)
		       : insert_member(t, &p, path[p.depth], value, out);
}

static void remove_text(const struct strbuf *t, const char *const *path, struct strbuf *out)
{
	struct place p;
	size_t from, to;

	walk(t, path, &p);
	from = p.has_before ? p.before.value_end : p.has_after ? p.member.key : p.object.open + 1;
	to = p.has_before ? p.member.value_end : p.has_after ? p.after.key : p.object.close;
	strbuf_add(out, t->data, from);
	strbuf_add(out, t->data + to, t->len - to);
}

/* Read the text into a tree; blank text is an empty object. */
static int parse(const struct strbuf *t, json_t **ret, struct error *err)
{
	_cleanup_json_ json_t *root = NULL;
	int r = 0;

	if (t->len >= 3 && memcmp(t->data, "\xef\xbb\xbf", 3) == 0)
		return error_set(err, EINVAL, "the text begins with a byte order mark: remove it");
	/* jansson passes over one behind a number. */
	if (t->len && memchr(t->data, '\0', t->len))
		return error_set(err, EINVAL, "the text has a NUL byte in it");
	if (skip_blank(t, 0) == t->len)
		root = json_object();
	else
		r = json_parse(t->data, t->len, "the text", &root, err);
	if (r < 0)
		return r;
	if (t->failed || !root)
		return error_errno(err, ENOMEM, "edit JSON");
	if (!json_is_object(root))
		return error_set(err, EINVAL, "the text is JSON, but not an object");
	*ret = TAKE_PTR(root);
	return 0;
}

/* The tree, the last object that is there on the path, and the number of the key to find in it. */
static int parse_to(const struct strbuf *t, const char *const *path, json_t **ret_root,
		    json_t **ret_parent, size_t *ret_depth, struct error *err)
{
	json_t *parent, *child;
	size_t i = 0;
	int r;

	if (!path[0])
		return error_set(err, EINVAL, "edit JSON: the path is empty");
	r = parse(t, ret_root, err);
	if (r < 0)
		return r;
	for (parent = *ret_root; path[i + 1]; parent = child, i++) {
		child = json_object_get(parent, path[i]);
		if (!child)
			break;
		if (!json_is_object(child))
			return error_set(err, ENOTDIR, "'%s' is not an object", path[i]);
	}
	*ret_parent = parent;
	*ret_depth = i;
	return 0;
}

/* Only a text that reads back as what was meant takes the old one's place. */
static int commit(struct strbuf *text, struct strbuf *out, const json_t *meant, struct error *err)
{
	_cleanup_json_ json_t *got = NULL;

	if (strbuf_failed(out))
		return error_errno(err, ENOMEM, "edit JSON");
	if (json_parse(strbuf_str(out), out->len, "the edited text", &got, err) < 0)
		return error_set(err, EIO, "the edited text would not be valid JSON");
	if (!json_equal(got, meant))
		return error_set(err, EIO, "the edited text would not mean what it should");
	strbuf_release(text);
	*text = *out;
	*out = STRBUF_INIT;
	return 0;
}

int json_edit_set(struct strbuf *text, const char *const *path, const json_t *value,
		  struct error *err)
{
	_cleanup_(strbuf_release) struct strbuf out = STRBUF_INIT, blank = STRBUF_INIT;
	_cleanup_json_ json_t *root = NULL, *wrapped = NULL;
	json_t *parent;
	size_t depth;
	int r;

	if (!value)
		return error_set(err, EINVAL, "edit JSON: there is no value to set");
	r = parse_to(text, path, &root, &parent, &depth, err);
	if (r < 0)
		return r;
	if (!path[depth + 1] && json_equal(json_object_get(parent, path[depth]), value))
		return 0;
	r = wrap(path + depth + 1, value, &wrapped);
	if (r < 0 || json_object_set(parent, path[depth], wrapped) < 0)
		return error_set(err, EINVAL, "edit JSON: a key is not valid UTF-8");
	strbuf_puts(&blank, "{}\n");
	r = set_text(skip_blank(text, 0) == text->len ? &blank : text, path, wrapped, &out);
	return r < 0 ? error_errno(err, r, "edit JSON") : commit(text, &out, root, err);
}

int json_edit_remove(struct strbuf *text, const char *const *path, struct error *err)
{
	_cleanup_(strbuf_release) struct strbuf out = STRBUF_INIT;
	_cleanup_json_ json_t *root = NULL;
	json_t *parent;
	size_t depth;
	int r = parse_to(text, path, &root, &parent, &depth, err);

	if (r < 0)
		return r;
	if (path[depth + 1] || json_object_del(parent, path[depth]) < 0)
		return 0;
	remove_text(text, path, &out);
	return commit(text, &out, root, err);
}
