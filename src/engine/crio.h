/*
 * CRI-O, and the drop-in that gives it a runtime handler.
 *
 * It reads /etc/crio/crio.conf and then every file of /etc/crio/crio.conf.d and of the folders in there, in the order of
 * their names, whatever they are called. Later ones win, key by key, but the table of a handler takes the place of all of
 * an earlier one of its name (cri-o, pkg/config: UpdateFromPath, tried with 1.34.0).
 *
 * Images stay as they are in a pod with a user namespace of its own: since kernel 5.19 its layers are mounted with the
 * pod's ids (containers-storage: SupportsShifting), so no option of the node's storage is touched.
 */
#ifndef ENGINE_CRIO_H
#define ENGINE_CRIO_H

#include "host/host.h"

/* 1.30 is the first that tells kubelets of its handlers' features and that pods with hostUsers: false need. */
#define CRIO_OLDEST "1.30"

#define CRIO_UNIT     "crio.service"
#define CRIO_SOCKET   "/run/crio/crio.sock"
#define CRIO_PROGRAM  "crio"
#define CRIO_DROP_INS "/etc/crio/crio.conf.d"
#define CRIO_DATA     "/var/lib/containers"

#define CRIO_VERSION_FILE "/run/crio/version" /* JSON: "1.34.0" in quotes */

/* "1.34.0" of what `crio --version` prints; NULL: it is not that. free() it. */
char *crio_version_of(const char *output);

/*
 * Does one of that version ("1.34.0") end all pods when it starts? It does where not one of the same minor version has
 * noted itself in CRIO_VERSION_FILE (cri-o, server/server.go: wipeIfAppropriate, tried with 1.34.0).
 */
bool crio_ends_pods(const struct host *host, const char *version);

/*
 * `crio config` of that program: what it would run with, /etc/crio/crio.conf and every drop-in of the folder taken in,
 * and judged by itself, but for whether a handler's runtime is there. `name` is the folder that errors speak of, where
 * `drop_ins` is a copy of it. free() it. -EPROTO: it refuses them, with its own words.
 */
int crio_dump(const struct host *host, const char *program, const char *drop_ins, const char *name, char **ret,
	      struct error *err);

/* What a CRI-O that failed says in its output: the words of its last fatal line, or its last line. free() it. */
char *crio_complaint(const char *output);

/* What the CRI-O at a socket runs with (server/inspect.go: /config), to be read as a dump is. free() it. */
int crio_running_config(const char *socket, char **ret, struct error *err);

/* A value of a dump, also of a line that is a comment because it has the default. free() it; NULL: none. */
char *crio_dump_value(const char *dump, const char *table, const char *key);

/* The path of a handler's runtime; NULL: no such handler. free() it. */
char *crio_dump_runtime(const char *dump, const char *handler);

/*
 * The drop-in's text. The monitor is the one that the default handler has; where `dump` is NULL (no CRI-O yet) CRI-O
 * looks for it by itself, as where that one is of another type than "oci". free() it.
 */
char *crio_drop_in(const char *handler, const char *runtime, const char *dump);

/* Has a dump all that a drop-in says of the handler? */
bool crio_has_drop_in(const char *dump, const char *drop_in, const char *handler);

#endif
