/*
 * Where a run's settings come from: the file that --config names; else the host's own, /etc/berth/config.yaml;
 * else SPEC_KEPT, what the last installation with --config was made by (the step `program` keeps it); else the
 * defaults. So timers, the service agent and a person's commands go by the settings that made the host, although
 * these were a ConfigMap's or a file that only the caller had.
 */
#ifndef NODE_SPEC_SOURCE_H
#define NODE_SPEC_SOURCE_H

#include "host/host.h"
#include "spec/spec.h"

/*
 * `config` is the caller's path, the others are the host's; NULL: none was named. `*ret_keep` gets the text that an
 * installation must keep, or NULL where the settings are a file of the host's own: free() it; `ret_keep` may be NULL.
 * Errors name the file: -ENOENT only of `config`, -EINVAL as of spec_parse.
 */
int spec_source_load(const struct host *host, const char *config, struct spec *ret, char **ret_keep,
		     struct error *err);

#endif
