/*
 * jansson with our cleanup attribute, caps and error sentences.
 *
 * Duplicate keys are refused everywhere: in a file that two programs read, "the last one wins" is
 * a bug waiting.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <jansson.h>

#include "base/error.h"

#define _cleanup_json_ _cleanup_(json_decrefp)

/* Parse text; `what` names it in the error ("'/etc/docker/daemon.json'"), which has line and column. */
int json_parse(const char *text, size_t len, const char *what, json_t **ret, struct error *err);

/* A member that must be of the type asked for; NULL (or the default) where absent or another type. */
const char *json_get_string(const json_t *object, const char *key);
json_int_t json_get_int(const json_t *object, const char *key, json_int_t otherwise);
bool json_get_bool(const json_t *object, const char *key, bool otherwise);

/* One line, keys sorted: what is hashed and journaled. free() it. */
char *json_line(const json_t *value);

/* Is that string an item of the array? Other items, and what is no array, are not. */
bool json_has_string(const json_t *array, const char *text);

#endif
