/* The table of kinds: the journal's names, and a verb each for people. */
#include "change/change.h"

static const struct {
	const struct change_kind *kind;
	const char *verb;
} KINDS[] = {
	{ &change_file, "write" },	 { &change_json, "edit" },     { &change_copy, "copy" },
	{ &change_sysctl, "raise" },	 { &change_module, "load" },   { &change_packages, "install" },
	{ &change_enable, "enable" },	 { &change_start, "start" },   { &change_stop, "stop" },
	{ &change_pool, "format" },	 { &change_pool_dir, "make" }, { &change_move, "move" },
	{ &change_unpack, "unpack" },	 { &change_enforce, "enforce" },
	{ &change_handler, "add" },	 { &change_crio_handler, "add" }, { &change_kubelet_switch, "switch" },
	{ &change_crio_restart, "restart" },
};

int change_undo_nothing(struct change_context *ctx, const struct change_record *record,
			enum undo_outcome *ret, struct strbuf *why, struct error *err)
{
	(void)ctx;
	(void)record;
	(void)why;
	(void)err;
	*ret = UNDO_NOTHING;
	return 0;
}

const struct change_kind *change_kind_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(KINDS); i++) {
		if (strcmp(KINDS[i].kind->name, name) == 0)
			return KINDS[i].kind;
	}
	return NULL;
}

const char *change_verb(const struct change_kind *kind)
{
	for (size_t i = 0; i < ARRAY_SIZE(KINDS); i++) {
		if (KINDS[i].kind == kind)
			return KINDS[i].verb;
	}
	return kind->name;
}
