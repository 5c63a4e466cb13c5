/*
 * Sysbox's maintainer script rewrites daemon.json with jq, and restarts Docker or refuses when it finds the file laid out
 * otherwise than it expects. It is shown jq's layout meanwhile; the host's own bytes come back afterwards.
 */
#ifndef CHANGE_JQ_LAYOUT_H
#define CHANGE_JQ_LAYOUT_H

#include "change/file_state.h"

/* Before a transaction: what a run that is cut off has to go by, for jq_layout_clean_up(). */
int jq_layout_capture(struct change_context *ctx, json_t **ret, struct error *err);

/* Lay it out. `kept` is what it was: release it; a file that is not there, or not JSON, is not touched. */
int jq_layout_show(struct change_context *ctx, struct file_state *kept, struct error *err);

/* The bytes that were kept. */
int jq_layout_hide(struct change_context *ctx, const struct file_state *kept, struct error *err);

/* After a transaction that was cut off: the bytes that were captured, where only the layout differs from them. */
int jq_layout_clean_up(struct change_context *ctx, const json_t *captured, struct error *err);

#endif
