/* A container's config.json: what a sandbox may not ask for, and what it gets besides. */
#ifndef STANDIN_SPEC_H
#define STANDIN_SPEC_H

#include "ids.h"

#include <jansson.h>

int spec_load(const char *path, json_t **ret, struct failure *f);

/* Refuse what shares the host's namespaces. */
int spec_check(const json_t *spec, struct failure *f);

/* 1 and the range when the engine brought mappings of its own, else 0. */
int spec_own_range(const json_t *spec, struct id_range *ret, struct failure *f);

/* The root file system as an absolute path; the caller frees it. */
int spec_rootfs(const json_t *spec, const char *bundle, char **ret, struct failure *f);

/* The destinations of its mounts: a new array. */
json_t *spec_targets(const json_t *spec);

/* Namespaces, mappings (where it has none), all capabilities, nothing masked, no profile. */
void spec_open_up(json_t *spec, struct id_range range, bool own);

/* A recursive private bind mount more. */
void spec_add_bind(json_t *spec, const char *source, const char *target);

/* What a process gets, at the start and in `exec`. */
void spec_open_up_process(json_t *process);

#endif
