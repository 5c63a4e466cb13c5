/*
 * A YAML document as a tree that remembers lines, by libyaml.
 *
 * What a settings file needs: mappings, sequences and scalars. Refused with line and column:
 * duplicate keys, anchors and aliases (no bombs), tags, more than one document, keys that are not
 * plain scalars, nesting past 16, more than 10,000 nodes, more than 1 MiB.
 */
#ifndef BASE_YAML_H
#define BASE_YAML_H

#include "base/error.h"

enum yaml_kind {
	YAML_NULL, /* empty, ~ or null, unquoted */
	YAML_SCALAR,
	YAML_SEQUENCE,
	YAML_MAPPING,
};

struct yaml_node {
	enum yaml_kind kind;
	char *key;		   /* in a mapping, else NULL */
	char *scalar;		   /* YAML_SCALAR: the text */
	bool quoted;		   /* it was in quotes: a string whatever it looks like */
	unsigned line;		   /* of the key in a mapping, else of the value; from 1 */
	struct yaml_node *child;   /* first of a sequence or mapping */
	struct yaml_node *next;	   /* sibling, in the file's order */
};

/* `what` names the text in errors, which read "WHAT:LINE:COLUMN: why". An empty text is YAML_NULL. */
int yaml_parse(const char *text, size_t len, const char *what, struct yaml_node **ret,
	       struct error *err);

/* Not yaml_free: libyaml exports a function of that name, and would call ours in its place. */
void yaml_tree_free(struct yaml_node *root);
static inline void yaml_freep(struct yaml_node **root)
{
	yaml_tree_free(*root);
}

/* The child of a mapping with that key, or NULL. */
const struct yaml_node *yaml_get(const struct yaml_node *mapping, const char *key);

#endif
