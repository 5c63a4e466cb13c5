#include "base/yaml.h"

#include <yaml.h>

#define DEPTH_MAX      16
#define NODES_MAX      10000
#define SIZE_MAX_BYTES ((size_t)1 << 20)

/* A sequence or mapping that is still open. */
struct frame {
	struct yaml_node *node;
	struct yaml_node **tail; /* where the next child goes */
	char *key;		 /* of a mapping: read, and waiting for its value */
	unsigned key_line;
};

struct build {
	const char *what;
	struct error *err;
	struct yaml_node *root;
	struct frame open[DEPTH_MAX];
	size_t depth;
	size_t nodes;
	unsigned documents;
};

/* No deeper than DEPTH_MAX. */
static void free_list(struct yaml_node *node)
{
	while (node) {
		struct yaml_node *next = node->next;

		free_list(node->child);
		free(node->key);
		free(node->scalar);
		free(node);
		node = next;
	}
}

void yaml_tree_free(struct yaml_node *root)
{
	free_list(root);
}

const struct yaml_node *yaml_get(const struct yaml_node *mapping, const char *key)
{
	if (!mapping || mapping->kind != YAML_MAPPING)
		return NULL;
	for (const struct yaml_node *n = mapping->child; n; n = n->next) {
		if (strcmp(n->key, key) == 0)
			return n;
	}
	return NULL;
}

static int refuse(const struct build *b, const yaml_mark_t *at, const char *why)
{
	return error_set(b->err, EINVAL, "%s:%zu:%zu: %s", b->what, at->line + 1, at->column + 1,
			 why);
}

static int no_memory(const struct build *b)
{
	return error_errno(b->err, ENOMEM, "read %s", b->what);
}

static bool is_null(const char *text)
{
	return !*text || strcmp(text, "~") == 0 || strcmp(text, "null") == 0;
}

static int copy_text(const struct build *b, const yaml_event_t *e, char **ret)
{
	if (memchr(e->data.scalar.value, '\0', e->data.scalar.length))
		return refuse(b, &e->start_mark, "a text with a NUL character in it");
	*ret = strndup((const char *)e->data.scalar.value, e->data.scalar.length);
	return *ret ? 0 : no_memory(b);
}

static int add_key(struct build *b, struct frame *f, const yaml_event_t *e)
{
	_cleanup_free_ char *key = NULL;
	const struct yaml_node *earlier;
	int r;

	if (e->type != YAML_SCALAR_EVENT || e->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
		return refuse(b, &e->start_mark, "a key must be a plain word, without quotes");
	if (e->data.scalar.length == 0)
		return refuse(b, &e->start_mark, "a key is missing");
	r = copy_text(b, e, &key);
	if (r < 0)
		return r;
	earlier = yaml_get(f->node, key);
	if (earlier)
		return error_set(b->err, EINVAL, "%s:%zu:%zu: '%s' is already there, in line %u",
				 b->what, e->start_mark.line + 1, e->start_mark.column + 1, key,
				 earlier->line);
	f->key = TAKE_PTR(key);
	f->key_line = (unsigned)e->start_mark.line + 1;
	return 0;
}

/* Hang a new node into the innermost open collection; it belongs to the tree from then on. */
static int add_node(struct build *b, const yaml_event_t *e, enum yaml_kind kind,
		    struct yaml_node **ret)
{
	struct frame *f = b->depth ? &b->open[b->depth - 1] : NULL;
	struct yaml_node *node;

	if (++b->nodes > NODES_MAX)
		return refuse(b, &e->start_mark, "more than 10000 values");
	node = calloc(1, sizeof(*node));
	if (!node)
		return no_memory(b);
	node->kind = kind;
	node->line = (unsigned)e->start_mark.line + 1;
	if (!f) {
		b->root = node;
	} else {
		if (f->key) {
			node->key = TAKE_PTR(f->key);
			node->line = f->key_line;
		}
		*f->tail = node;
		f->tail = &node->next;
	}
	*ret = node;
	return 0;
}

static int add_scalar(struct build *b, const yaml_event_t *e)
{
	bool quoted = e->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
	_cleanup_free_ char *text = NULL;
	struct yaml_node *node;
	int r = copy_text(b, e, &text);

	if (r < 0)
		return r;
	if (!quoted && is_null(text))
		return add_node(b, e, YAML_NULL, &node);
	r = add_node(b, e, YAML_SCALAR, &node);
	if (r < 0)
		return r;
	node->scalar = TAKE_PTR(text);
	node->quoted = quoted;
	return 0;
}

static int open_collection(struct build *b, const yaml_event_t *e, enum yaml_kind kind)
{
	struct yaml_node *node;
	int r;

	if (b->depth == DEPTH_MAX)
		return refuse(b, &e->start_mark, "nested more than 16 deep");
	r = add_node(b, e, kind, &node);
	if (r < 0)
		return r;
	b->open[b->depth++] = (struct frame) { .node = node, .tail = &node->child };
	return 0;
}

/* What only a serialisation of objects needs. */
static int check_decoration(const struct build *b, const yaml_event_t *e)
{
	const yaml_char_t *anchor = NULL, *tag = NULL;

	if (e->type == YAML_SCALAR_EVENT) {
		anchor = e->data.scalar.anchor;
		tag = e->data.scalar.tag;
	} else if (e->type == YAML_SEQUENCE_START_EVENT) {
		anchor = e->data.sequence_start.anchor;
		tag = e->data.sequence_start.tag;
	} else if (e->type == YAML_MAPPING_START_EVENT) {
		anchor = e->data.mapping_start.anchor;
		tag = e->data.mapping_start.tag;
	}
	if (anchor || e->type == YAML_ALIAS_EVENT)
		return refuse(b, &e->start_mark, "anchors (&) and aliases (*) are not allowed");
	if (tag)
		return refuse(b, &e->start_mark, "tags (!) are not allowed");
	return 0;
}

static int take_event(struct build *b, const yaml_event_t *e)
{
	struct frame *f = b->depth ? &b->open[b->depth - 1] : NULL;
	int r = check_decoration(b, e);

	if (r < 0)
		return r;
	switch (e->type) {
	case YAML_DOCUMENT_START_EVENT:
		return ++b->documents > 1 ? refuse(b, &e->start_mark, "a second document") : 0;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		b->depth--;
		return 0;
	case YAML_SCALAR_EVENT:
	case YAML_SEQUENCE_START_EVENT:
	case YAML_MAPPING_START_EVENT:
		break;
	default:
		return 0;
	}
	if (f && f->node->kind == YAML_MAPPING && !f->key)
		return add_key(b, f, e);
	if (e->type == YAML_SCALAR_EVENT)
		return add_scalar(b, e);
	return open_collection(b, e,
			       e->type == YAML_MAPPING_START_EVENT ? YAML_MAPPING : YAML_SEQUENCE);
}

/* For errors that come with an offset in bytes only. */
static yaml_mark_t mark_of_offset(const char *text, size_t len, size_t offset)
{
	yaml_mark_t at = { .index = MIN_OF(offset, len) };

	for (size_t i = 0; i < at.index; i++) {
		at.column++;
		if (text[i] == '\n') {
			at.line++;
			at.column = 0;
		}
	}
	return at;
}

static int syntax_error(const struct build *b, const yaml_parser_t *p, const char *text, size_t len)
{
	const char *why = p->problem ? p->problem : "not valid YAML";
	yaml_mark_t at = p->problem_mark;

	if (p->error == YAML_MEMORY_ERROR)
		return no_memory(b);
	if (p->error == YAML_READER_ERROR)
		at = mark_of_offset(text, len, p->problem_offset);
	return refuse(b, &at, why);
}

static int read_events(struct build *b, const char *text, size_t len)
{
	_cleanup_(yaml_parser_delete) yaml_parser_t p = { 0 };
	yaml_event_type_t type;

	if (!yaml_parser_initialize(&p))
		return no_memory(b);
	/* Or libyaml would guess UTF-16 from the first bytes. */
	yaml_parser_set_encoding(&p, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&p, (const unsigned char *)text, len);
	do {
		yaml_event_t e;
		int r;

		if (!yaml_parser_parse(&p, &e))
			return syntax_error(b, &p, text, len);
		type = e.type;
		r = take_event(b, &e);
		yaml_event_delete(&e);
		if (r < 0)
			return r;
	} while (type != YAML_STREAM_END_EVENT);
	return 0;
}

int yaml_parse(const char *text, size_t len, const char *what, struct yaml_node **ret,
	       struct error *err)
{
	struct build b = { .what = what, .err = err };
	int r;

	if (len > SIZE_MAX_BYTES) {
		yaml_mark_t at = mark_of_offset(text, len, SIZE_MAX_BYTES);

		return refuse(&b, &at, "more than 1 MiB");
	}
	r = read_events(&b, len ? text : "", len);
	if (r == 0 && !b.root) {
		b.root = calloc(1, sizeof(*b.root));
		if (!b.root)
			r = no_memory(&b);
		else
			b.root->line = 1;
	}
	if (r < 0) {
		for (size_t i = 0; i < b.depth; i++)
			free(b.open[i].key);
		yaml_tree_free(b.root);
		return r;
	}
	*ret = b.root;
	return 0;
}
