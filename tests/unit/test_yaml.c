#include <setjmp.h>
#include <stdarg.h>

#include "base/strbuf.h"
#include "base/yaml.h"

#include <cmocka.h>

static struct yaml_node *parsed_bytes(const char *text, size_t len)
{
	struct error err = ERROR_INIT;
	struct yaml_node *root = NULL;

	if (yaml_parse(text, len, "f.yaml", &root, &err) != 0)
		fail_msg("%s", err.message);
	assert_non_null(root);
	return root;
}

static struct yaml_node *parsed(const char *text)
{
	return parsed_bytes(text, strlen(text));
}

static void refused(const char *text, const char *message)
{
	struct error err = ERROR_INIT;
	struct yaml_node *root = NULL;
	int r = yaml_parse(text, strlen(text), "f.yaml", &root, &err);

	if (r != -EINVAL || root || err.code != EINVAL || !strstr(err.message, message))
		fail_msg("%s\n-> %d '%s', expected '%s'", text, r, err.message, message);
}

static const char *scalar(const struct yaml_node *mapping, const char *key)
{
	const struct yaml_node *n = yaml_get(mapping, key);

	assert_non_null(n);
	assert_int_equal(n->kind, YAML_SCALAR);
	return n->scalar;
}

static void a_settings_file(void **state)
{
	_cleanup_(yaml_freep) struct yaml_node *root = parsed("# settings\n"
							      "pool:\n"
							      "  size: 50G\n"
							      "  device: ~\n"
							      "\n"
							      "engines: [docker, 'cri-o']\n"
							      "labels:\n"
							      "  - a: 1\n"
							      "    b: two words\n"
							      "  - x\n");
	const struct yaml_node *pool = yaml_get(root, "pool");
	const struct yaml_node *engines = yaml_get(root, "engines");
	const struct yaml_node *labels = yaml_get(root, "labels");

	assert_int_equal(root->kind, YAML_MAPPING);
	assert_null(root->key);
	assert_null(root->next);
	assert_int_equal(root->line, 2);
	assert_int_equal(pool->kind, YAML_MAPPING);
	assert_int_equal(pool->line, 2);
	assert_string_equal(pool->key, "pool");
	assert_ptr_equal(pool->next, engines);
	assert_ptr_equal(engines->next, labels);
	assert_null(labels->next);
	assert_string_equal(scalar(pool, "size"), "50G");
	assert_int_equal(yaml_get(pool, "size")->line, 3);
	assert_int_equal(yaml_get(pool, "device")->kind, YAML_NULL);
	assert_null(yaml_get(pool, "device")->scalar);
	assert_int_equal(engines->kind, YAML_SEQUENCE);
	assert_int_equal(engines->line, 6);
	assert_string_equal(engines->child->scalar, "docker");
	assert_null(engines->child->key);
	assert_false(engines->child->quoted);
	assert_string_equal(engines->child->next->scalar, "cri-o");
	assert_true(engines->child->next->quoted);
	assert_null(engines->child->next->next);
	assert_string_equal(scalar(labels->child, "b"), "two words");
	assert_int_equal(labels->child->line, 8);
	assert_string_equal(labels->child->next->scalar, "x");
	assert_int_equal(labels->child->next->line, 10);
	assert_null(yaml_get(root, "absent"));
	assert_null(yaml_get(engines, "docker"));
	assert_null(yaml_get(NULL, "pool"));
}

static void nothing_is_null(void **state)
{
	static const char *const EMPTY[] = { "",  "\n",	    "# only words\n", "---\n",
					     "~", "null\n", "--- ~\n...\n",   "\xef\xbb\xbf" };

	for (size_t i = 0; i < ARRAY_SIZE(EMPTY); i++) {
		_cleanup_(yaml_freep) struct yaml_node *root = parsed(EMPTY[i]);

		assert_int_equal(root->kind, YAML_NULL);
		assert_null(root->scalar);
		assert_null(root->child);
		assert_true(root->line >= 1);
	}
	_cleanup_(yaml_freep) struct yaml_node *none = parsed_bytes(NULL, 0);

	assert_int_equal(none->kind, YAML_NULL);
	assert_int_equal(none->line, 1);
	yaml_tree_free(NULL);
}

static void null_or_text(void **state)
{
	static const struct {
		const char *text;
		enum yaml_kind kind;
		const char *scalar;
		bool quoted;
	} CASES[] = {
		{ "a:", YAML_NULL, NULL, false },
		{ "a: ~", YAML_NULL, NULL, false },
		{ "a: null", YAML_NULL, NULL, false },
		{ "a: ''", YAML_SCALAR, "", true },
		{ "a: \"\"", YAML_SCALAR, "", true },
		{ "a: '~'", YAML_SCALAR, "~", true },
		{ "a: \"null\"", YAML_SCALAR, "null", true },
		{ "a: nullable", YAML_SCALAR, "nullable", false },
		{ "a: true", YAML_SCALAR, "true", false },
		{ "a: 'true'", YAML_SCALAR, "true", true },
		{ "a: 010", YAML_SCALAR, "010", false },
		{ "a: |\n  x\n  y\n", YAML_SCALAR, "x\ny\n", true },
		{ "a: >-\n  x\n  y\n", YAML_SCALAR, "x y", true },
		{ "a: \"x\\ty\\u00e9\"", YAML_SCALAR, "x\ty\xc3\xa9", true },
		{ "a: 'it''s'", YAML_SCALAR, "it's", true },
		{ "a: b # c", YAML_SCALAR, "b", false },
		{ "a: b#c", YAML_SCALAR, "b#c", false },
		{ "a: http://x:80/", YAML_SCALAR, "http://x:80/", false },
		{ "{a: {}}", YAML_MAPPING, NULL, false },
		{ "{a: []}", YAML_SEQUENCE, NULL, false },
		{ "\xef\xbb\xbf"
		  "a: b",
		  YAML_SCALAR, "b", false },
		{ "a: b\r\n", YAML_SCALAR, "b", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
		_cleanup_(yaml_freep) struct yaml_node *root = parsed(CASES[i].text);
		const struct yaml_node *a = yaml_get(root, "a");

		assert_non_null(a);
		assert_int_equal(a->kind, CASES[i].kind);
		assert_int_equal(a->quoted, CASES[i].quoted);
		if (CASES[i].scalar)
			assert_string_equal(a->scalar, CASES[i].scalar);
		else
			assert_null(a->scalar);
		assert_null(a->child);
	}
}

static void what_is_refused(void **state)
{
	refused("a: 1\nb: 2\na: 3\n", "f.yaml:3:1: 'a' is already there, in line 1");
	refused("x:\n  k: 1\n  k:\n    - 1\n", "f.yaml:3:3: 'k' is already there, in line 2");
	refused("{a: 1, a: 2}", "f.yaml:1:8: 'a'");
	refused("a: &x 1\nb: *x\n", "f.yaml:1:4: anchors");
	refused("a: &x [1]\n", "f.yaml:1:4: anchors");
	refused("a: &x {b: 1}\n", "f.yaml:1:4: anchors");
	refused("a: *x\n", "f.yaml:1:4: anchors");
	refused("*x : 1\n", "f.yaml:1:1: anchors");
	refused("a: !!str 1\n", "f.yaml:1:4: tags");
	refused("a: ! 1\n", "f.yaml:1:4: tags");
	refused("a: !x [1]\n", "f.yaml:1:4: tags");
	refused("!!map {a: 1}\n", "f.yaml:1:1: tags");
	refused("a: 1\n---\nb: 2\n", "f.yaml:2:1: a second document");
	refused("---\n---\n", "f.yaml:2:1: a second document");
	refused("\"a\": 1\n", "f.yaml:1:1: a key must be a plain word");
	refused("'a': 1\n", "f.yaml:1:1: a key must be a plain word");
	refused("? [a, b]\n: 1\n", "f.yaml:1:3: a key must be a plain word");
	refused("? {a: b}\n: 1\n", "f.yaml:1:3: a key must be a plain word");
	refused("? |\n  a\n: 1\n", "f.yaml:1:3: a key must be a plain word");
	refused(": 1\n", "f.yaml:1:1: ");
	refused("?\n: 1\n", ": a key is missing");
	refused("a: \"x\\0y\"\n", "f.yaml:1:4: a text with a NUL");
}

static void syntax_errors_have_a_place(void **state)
{
	refused("a: 1\n b: 2\n", "f.yaml:2:3: ");
	refused("a: [1, 2\n", "f.yaml:2:1: ");
	refused("a:\n\t- 1\n", "f.yaml:2:1: ");
	refused("a: 'x\n", "f.yaml:2:1: ");
	refused("a: @x\n", "f.yaml:1:4: ");
	refused("- a\nb: 1\n", "f.yaml:2:1: ");
	refused("%YAML 9.9\n---\na: 1\n", "f.yaml:1:1: ");
	/* Found by the reader, which knows offsets only. */
	refused("a: 1\nb: \xff\n", "f.yaml:2:4: ");
	refused("a: 1\nb: \x01\n", "f.yaml:2:4: ");
	refused("\xff\xfe"
		"a\0:\0",
		"f.yaml:1:1: ");
}

static void the_error_may_be_unwanted(void **state)
{
	struct yaml_node *root = NULL;

	assert_int_equal(yaml_parse("a: [", 4, "x", &root, NULL), -EINVAL);
	assert_null(root);
}

/* The length counts, not a NUL: what lies behind is not read. */
static void length_is_obeyed(void **state)
{
	_cleanup_(yaml_freep) struct yaml_node *root = parsed_bytes("a: bcd", 4);
	struct error err = ERROR_INIT;
	struct yaml_node *bad = NULL;

	assert_string_equal(scalar(root, "a"), "b");
	assert_int_equal(yaml_parse("a: b\0c", 6, "x", &bad, &err), -EINVAL);
	assert_null(bad);
}

static void nest(struct strbuf *sb, size_t depth, char open, char shut)
{
	for (size_t i = 0; i < depth; i++)
		strbuf_puts(sb, open == '[' ? "[" : "{a: ");
	strbuf_putc(sb, '1');
	for (size_t i = 0; i < depth; i++)
		strbuf_putc(sb, shut);
}

static void nesting_has_a_limit(void **state)
{
	static const char PAIRS[][2] = { { '[', ']' }, { '{', '}' } };

	for (size_t i = 0; i < ARRAY_SIZE(PAIRS); i++) {
		_cleanup_(strbuf_release) struct strbuf fits = STRBUF_INIT, deep = STRBUF_INIT;
		_cleanup_(yaml_freep) struct yaml_node *root = NULL;
		size_t depth = 0;

		nest(&fits, 16, PAIRS[i][0], PAIRS[i][1]);
		root = parsed(strbuf_str(&fits));
		for (const struct yaml_node *n = root; n->child; n = n->child)
			depth++;
		assert_int_equal(depth, 16);
		nest(&deep, 17, PAIRS[i][0], PAIRS[i][1]);
		refused(strbuf_str(&deep), "nested more than 16 deep");
		strbuf_reset(&deep);
		nest(&deep, 100000, PAIRS[i][0], PAIRS[i][1]);
		refused(strbuf_str(&deep), "f.yaml:1:");
	}
}

static void values_have_a_limit(void **state)
{
	_cleanup_(strbuf_release) struct strbuf sb = STRBUF_INIT;
	_cleanup_(yaml_freep) struct yaml_node *root = NULL;
	size_t n = 0;

	for (int i = 0; i < 9999; i++)
		strbuf_puts(&sb, "- x\n");
	root = parsed(strbuf_str(&sb)); /* with the sequence itself: 10000 */
	for (const struct yaml_node *c = root->child; c; c = c->next)
		n++;
	assert_int_equal(n, 9999);
	strbuf_puts(&sb, "- x\n");
	refused(strbuf_str(&sb), "f.yaml:10000:3: more than 10000 values");
}

static void size_has_a_limit(void **state)
{
	_cleanup_(strbuf_release) struct strbuf sb = STRBUF_INIT;
	_cleanup_(yaml_freep) struct yaml_node *root = NULL;

	strbuf_puts(&sb, "a: 1\n");
	while (sb.len < (1 << 20) - 1)
		strbuf_putc(&sb, '#');
	strbuf_putc(&sb, '\n');
	root = parsed(strbuf_str(&sb));
	assert_string_equal(scalar(root, "a"), "1");
	strbuf_putc(&sb, '\n');
	refused(strbuf_str(&sb), "f.yaml:3:1: more than 1 MiB");
}

/* Whatever a good file is cut to or has in a byte's place: a tree or a clean error. */
static void mangled_files_are_safe(void **state)
{
	static const char GOOD[] = "a:\n  b: [1, {c: 'd'}, \"e\\n\"]\n  f: |\n    text\nz: # n\n";
	static const char BYTES[] = "\n\t \"'[]{}:,-?&*!|>%@\x80\xff\x01";

	for (size_t cut = 0; cut < sizeof(GOOD); cut++) {
		for (size_t b = 0; b < sizeof(BYTES); b++) {
			_cleanup_(yaml_freep) struct yaml_node *root = NULL;
			struct error err = ERROR_INIT;
			char text[sizeof(GOOD)];
			int r;

			memcpy(text, GOOD, sizeof(GOOD));
			text[cut] = BYTES[b];
			r = yaml_parse(text, BYTES[b] ? sizeof(GOOD) - 1 : cut, "w", &root, &err);
			assert_int_equal(r, -err.code);
			assert_int_equal(r == 0, root != NULL);
			if (r < 0)
				assert_int_equal(strncmp(err.message, "w:", 2), 0);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_settings_file),
		cmocka_unit_test(nothing_is_null),
		cmocka_unit_test(null_or_text),
		cmocka_unit_test(what_is_refused),
		cmocka_unit_test(syntax_errors_have_a_place),
		cmocka_unit_test(the_error_may_be_unwanted),
		cmocka_unit_test(length_is_obeyed),
		cmocka_unit_test(nesting_has_a_limit),
		cmocka_unit_test(values_have_a_limit),
		cmocka_unit_test(size_has_a_limit),
		cmocka_unit_test(mangled_files_are_safe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
