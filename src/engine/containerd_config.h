/*
 * containerd's config.toml, as far as berth looks at it and touches it: two keys above its first table.
 *
 * `imports` is what makes a drop-in count: only what the file itself says. `containerd config dump` names
 * /etc/containerd/conf.d/ as imported since 2.2 also where the file has no such line, and then nothing of it is read
 * (cmd/containerd/server/config: LoadConfig follows the imports of files alone). The `version` of the last file that is
 * read is that of all, so a drop-in must have the same, and with it the name the CRI plugin has there.
 */
#ifndef ENGINE_CONTAINERD_CONFIG_H
#define ENGINE_CONTAINERD_CONFIG_H

#include "base/error.h"
#include "base/strbuf.h"
#include "base/strv.h"

struct containerd_config {
	unsigned version; /* 0: it has none, which containerd reads as 1 */
	bool has_imports;
	struct strv imports; /* as written */

	/* Offsets in the text. */
	size_t array_at;   /* behind the '[' of imports */
	size_t last_end;   /* behind the last import, or array_at */
	size_t insert_at;  /* where a line of a key can stand: behind that of `version`, else at the beginning */
};

#define CONTAINERD_CONFIG_INIT ((struct containerd_config){ 0 })
void containerd_config_release(struct containerd_config *config);

/*
 * -EINVAL with the number of the line, for what is above the first table; the rest is containerd's to judge. Tables
 * are not looked at.
 */
int containerd_config_read(const char *text, size_t len, const char *path, struct containerd_config *ret,
			   struct error *err);

/* An import as it is read: a relative one is of the folder of `config_path`. free() it; NULL without memory. */
char *containerd_import_path(const char *config_path, const char *pattern);

/* Would a file of that path be read? */
bool containerd_config_imports(const struct containerd_config *config, const char *config_path, const char *path);

/* The text with one more import, all other bytes kept. */
int containerd_config_add(const char *text, size_t len, const struct containerd_config *config, const char *pattern,
			  struct strbuf *ret);

/* The text without that import, and without the key where it was the only one. 1, 0: it has no such import. */
int containerd_config_drop(const char *text, size_t len, const char *pattern, struct strbuf *ret,
			   struct error *err);

/*
 * A value of a dump (`containerd config dump`), which has one key a line: `table` is a header less its brackets, with
 * any quotes, as `plugins.'io.containerd.cri.v1.runtime'.containerd`. free() it; NULL: it has none. Strings come
 * without their quotes.
 */
char *containerd_dump_value(const char *dump, const char *table, const char *key);

/* The names of the tables directly below one of a dump, each once. -ENOMEM. */
int containerd_dump_tables(const char *dump, const char *table, struct strv *ret);

#endif
