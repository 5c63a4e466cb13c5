/*
 * Input: four characters that choose what to do, then the text. A member of the text or a fixed
 * path is set or removed; what must hold for every text is checked by abort().
 */
#include "base/json_edit.h"

#define HEAD	      4
#define PATH_MAX_KEYS 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const FIXED[][PATH_MAX_KEYS] = {
	{ "a" }, { "b" }, { "ab" }, { "" }, { "a", "b" }, { "a", "b", "c" }, { "\xc3\xa9", "\"" },
};

static const char *const VALUES[] = {
	"1", "null", "\"x\\n\"", "[]", "{}", "[1,[2]]", "{\"k\":{\"l\":[true]}}", "0.1",
};

static void must(bool holds)
{
	if (!holds)
		abort();
}

/* The keys down to a member of the text, as the characters choose. */
static void path_of(json_t *object, const uint8_t *choose, const char **path)
{
	for (size_t n = 0; n < PATH_MAX_KEYS - 1 && json_object_size(object); n++) {
		void *member = json_object_iter(object);

		if (n && choose[n] == '.')
			break;
		for (size_t at = choose[n] % json_object_size(object); at; at--)
			member = json_object_iter_next(object, member);
		path[n] = json_object_iter_key(member);
		object = json_object_iter_value(member);
	}
}

/* Sets (value) or removes (NULL) in the tree; false where something on the way is no object. */
static bool edit_tree(json_t *o, const char *const *path, const json_t *value)
{
	for (; path[1]; path++) {
		json_t *child = json_object_get(o, *path);

		if (!child && !value)
			return true;
		if (!child) {
			child = json_object();
			json_object_set_new(o, *path, child);
		}
		if (!json_is_object(child))
			return false;
		o = child;
	}
	if (value)
		json_object_set_new(o, *path, json_deep_copy(value));
	else
		(void)json_object_del(o, *path);
	return true;
}

static bool is_blank(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (!text[i] || !strchr(" \t\r\n", text[i]))
			return false;
	}
	return true;
}

/* The bytes in front of and behind the edited place are the old ones. */
static bool is_removal(const struct strbuf *old_text, const struct strbuf *new_text)
{
	size_t head = 0, tail = 0;

	while (head < new_text->len && old_text->data[head] == new_text->data[head])
		head++;
	while (tail < new_text->len - head &&
	       old_text->data[old_text->len - 1 - tail] == new_text->data[new_text->len - 1 - tail])
		tail++;
	return head + tail == new_text->len;
}

static void check(const struct strbuf *before, json_t *root, const char *const *path,
		  const json_t *value)
{
	_cleanup_(strbuf_release) struct strbuf text = STRBUF_INIT, again = STRBUF_INIT;
	_cleanup_json_ json_t *got = NULL;
	struct error err = ERROR_INIT;
	bool possible = edit_tree(root, path, value);
	int r;

	strbuf_add(&text, before->data, before->len);
	r = value ? json_edit_set(&text, path, value, &err) : json_edit_remove(&text, path, &err);
	must(r == -err.code);
	if (!possible) {
		must(r == -ENOTDIR && text.len == before->len);
		return;
	}
	must(r == 0);
	if (is_blank(strbuf_str(&text), text.len)) {
		must(!value);
		return;
	}
	must(json_parse(text.data, text.len, "edited", &got, NULL) == 0 && json_equal(got, root));
	if (!value)
		must(is_removal(before, &text));
	strbuf_add(&again, text.data, text.len);
	r = value ? json_edit_set(&again, path, value, NULL) : json_edit_remove(&again, path, NULL);
	must(r == 0 && again.len == text.len && memcmp(again.data, text.data, text.len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(strbuf_release) struct strbuf text = STRBUF_INIT;
	_cleanup_json_ json_t *root = NULL, *names = NULL, *value = NULL;
	const char *path[PATH_MAX_KEYS] = { NULL };
	bool refused;

	if (size < HEAD || size > 65536)
		return 0;
	strbuf_add(&text, data + HEAD, size - HEAD);
	if (data[0] != 'r')
		value = json_loads(VALUES[data[0] % ARRAY_SIZE(VALUES)], JSON_DECODE_ANY, NULL);
	refused = memchr(data + HEAD, '\0', text.len) ||
		  (text.len >= 3 && memcmp(text.data, "\xef\xbb\xbf", 3) == 0);
	if (is_blank(text.data, text.len))
		root = json_object();
	else if (refused || json_parse(text.data, text.len, "text", &root, NULL) < 0)
		root = NULL;
	names = json_is_object(root) ? json_deep_copy(root) : NULL;
	if (names && data[1] != '!')
		path_of(names, data + 1, path);
	if (!path[0])
		memcpy(path, FIXED[data[2] % ARRAY_SIZE(FIXED)], sizeof(path));
	if (names) {
		check(&text, root, path, value);
		return 0;
	}
	must(value ? json_edit_set(&text, path, value, NULL) == -EINVAL
		   : json_edit_remove(&text, path, NULL) == -EINVAL);
	must(text.len == size - HEAD && memcmp(text.data, data + HEAD, text.len) == 0);
	return 0;
}
