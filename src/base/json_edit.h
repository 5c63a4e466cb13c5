/*
 * Change members of a JSON document's text and leave every other byte as it is.
 *
 * A user's daemon.json keeps its order, indentation and spacing: only the values that must change
 * are replaced, and new members are put in behind the last one of their object, indented as the
 * object is (two spaces where it gives no example). The text must be valid JSON with an object at
 * the top (-EINVAL otherwise; duplicate keys too). An empty or blank text counts as "{}".
 *
 * A path is the list of keys from the top object down: {"log-opts", "max-size", NULL}. Objects on
 * the way are made where absent; a member on the way that is not an object is -ENOTDIR.
 */
#ifndef BASE_JSON_EDIT_H
#define BASE_JSON_EDIT_H

#include "base/json.h"
#include "base/strbuf.h"

/* Set the member at `path` to `value` (nothing changes when it is already equal). */
int json_edit_set(struct strbuf *text, const char *const *path, const json_t *value,
		  struct error *err);

/* Remove the member at `path` with the comma that belongs to it; absent is fine. */
int json_edit_remove(struct strbuf *text, const char *const *path, struct error *err);

#endif
