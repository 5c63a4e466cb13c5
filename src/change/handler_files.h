/*
 * The two files of a handler of containerd's: the drop-in, which is berth's, and config.toml, which is the node's own and
 * gets one import. Written, put back after a failure, and undone, with whatever others wrote into config.toml kept.
 */
#ifndef CHANGE_HANDLER_FILES_H
#define CHANGE_HANDLER_FILES_H

#include "change/file_state.h"

/* All borrowed. */
struct handler_files {
	const char *drop_in, *text; /* where, and what is in it */
	const char *config;	    /* config.toml */
	const char *pattern;	    /* the import that it needs; NULL where the distribution brings it */
};

/*
 * Config.toml as it is, and as it must be: the same text where nothing is missing. file_state_release(),
 * strbuf_release(). -EINVAL: it is no config.
 */
int handler_config_texts(struct change_context *ctx, const struct handler_files *files, struct file_state *ret_now,
			 struct strbuf *ret_then, struct error *err);

/* Nothing is missing in config.toml; one that the distribution writes is not looked at. */
bool handler_config_holds(const struct handler_files *files, const struct file_state *now, const struct strbuf *then);

/* 1 where both files are as they must be. */
int handler_files_hold(struct change_context *ctx, const struct handler_files *files, struct error *err);

/* What one attempt found and did: not what was there before the first of them, which may be long ago. */
struct handler_attempt {
	struct file_state drop_in, config;
	char *wrote;	   /* into config.toml; NULL: it was not touched */
	bool wrote_drop_in;
};

#define HANDLER_ATTEMPT_INIT ((struct handler_attempt){ 0 })
void handler_attempt_release(struct handler_attempt *attempt);

/* Make both as they must be. `ret` is of worth after a failure, too. */
int handler_files_write(struct change_context *ctx, const struct handler_files *files, struct handler_attempt *ret,
			struct error *err);

/*
 * After the attempt failed: what it wrote is as it was found, what it did not write is not touched. Where somebody edited
 * config.toml since, only our import goes. `before` as {"drop_in", "config"}; `restarted`: the engine was, with these files.
 */
int handler_files_put_back(struct change_context *ctx, const struct handler_files *files,
			   const struct handler_attempt *attempt, const json_t *before, bool restarted, struct error *err);

/* As a kind's undo, of the two files alone. */
int handler_files_undo(struct change_context *ctx, const struct handler_files *files, const json_t *before,
		       enum undo_outcome *ret, struct strbuf *why, struct error *err);

#endif
