/* Input: the text. A tree within its limits, or a clean error with a place. */
#include "base/strbuf.h"
#include "base/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void check_node(const struct yaml_node *n, unsigned lines)
{
	must(n->line >= 1 && n->line <= lines);
	must((n->kind == YAML_SCALAR) == (n->scalar != NULL));
	must(n->kind == YAML_SCALAR || !n->quoted);
	must(n->kind == YAML_SEQUENCE || n->kind == YAML_MAPPING || !n->child);
	if (n->kind == YAML_SCALAR && !n->quoted)
		must(n->scalar[0] && strcmp(n->scalar, "~") != 0 && strcmp(n->scalar, "null") != 0);
}

/* Returns how many nodes there are. */
static size_t check_tree(const struct yaml_node *n, unsigned lines, unsigned depth)
{
	size_t count = 1;

	check_node(n, lines);
	must(depth <= 16 || !n->child);
	for (const struct yaml_node *c = n->child; c; c = c->next) {
		must((n->kind == YAML_MAPPING) == (c->key != NULL));
		must(c->line >= n->line || depth > 1);
		/* The first of a key is the only one. */
		must(!c->key || yaml_get(n, c->key) == c);
		count += check_tree(c, lines, depth + 1);
	}
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(yaml_freep) struct yaml_node *root = NULL;
	struct error err = ERROR_INIT;
	unsigned lines = 2; /* a value that is missing may be found behind the last */
	int r = yaml_parse((const char *)data, size, "f", &root, &err);

	must(r == -err.code && (r == 0) == (root != NULL));
	if (r < 0) {
		must(r == -EINVAL && strncmp(err.message, "f:", 2) == 0);
		must(err.message[2] >= '1' && err.message[2] <= '9');
		return 0;
	}
	for (size_t i = 0; i < size; i++)
		lines += data[i] == '\n' || data[i] == '\r' || data[i] >= 0x80;
	must(check_tree(root, lines, 1) <= 10000);
	must(!root->next && !root->key);
	return 0;
}
