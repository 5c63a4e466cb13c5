#include "sandbox/settings.h"

#include <fcntl.h>

#include "base/file.h"
#include "base/strbuf.h"
#include "base/units.h"

#define SETTINGS_CAP ((size_t)65536)

enum kind { PATH, PATH_OR_NONE, BYTES, PROJECT, BOOL };

static const struct key {
	const char *name;
	enum kind kind;
	size_t offset;
	const char *help;
} KEYS[] = {
	{ "runtime", PATH, offsetof(struct settings, runtime), "the real runtime" },
	{ "pool", PATH, offsetof(struct settings, pool), "where the pool is mounted" },
	{ "engine", PATH_OR_NONE, offsetof(struct settings, engine), "Docker's data root; empty: no Docker" },
	{ "kubelet", PATH_OR_NONE, offsetof(struct settings, kubelet),
	  "kubelet's folder, where pods are sandboxes; empty: they are not" },
	{ "image", PATH_OR_NONE, offsetof(struct settings, image), "the pool's image; empty: a device" },
	{ "floor", BYTES, offsetof(struct settings, floor),
	  "free bytes beside a sparse image without which no sandbox starts" },
	{ "budget", BYTES, offsetof(struct settings, budget),
	  "bytes of a sandbox that nobody gave another; 0: unlimited" },
	{ "allow_unlimited", BOOL, offsetof(struct settings, allow_unlimited),
	  "may a sandbox ask for no limit?" },
	{ "bytes_per_inode", BYTES, offsetof(struct settings, bytes_per_inode),
	  "a budget has an inode for each so many bytes; 0: unlimited" },
	{ "first_project", PROJECT, offsetof(struct settings, projects.first), "berth's own project ids" },
	{ "last_project", PROJECT, offsetof(struct settings, projects.last), NULL },
};

struct settings settings_default(void)
{
	return (struct settings){
		.runtime = "/usr/bin/sysbox-runc",
		.pool = "/var/lib/berth/pool",
		.engine = "/var/lib/docker",
		.kubelet = "",
		.image = "",
		.floor = (uint64_t)256 << 20,
		.budget = (uint64_t)10 << 30,
		.bytes_per_inode = 8192,
		.projects = { .first = 1U << 30, .last = (1U << 30) + (1U << 20) - 1 },
	};
}

static int set_path(const struct key *key, char *at, const char *value)
{
	bool fine = value[0] == '/' || (!*value && key->kind == PATH_OR_NONE);

	if (!fine || strlen(value) >= SETTINGS_PATH_MAX)
		return -EINVAL;
	memcpy(at, value, strlen(value) + 1);
	return 0;
}

static int set_value(const struct key *key, struct settings *s, const char *value)
{
	char *at = (char *)s + key->offset;
	uint64_t number = 0;

	if (key->kind == PATH || key->kind == PATH_OR_NONE)
		return set_path(key, at, value);
	if (key->kind == BOOL) {
		bool yes = strcmp(value, "true") == 0;

		if (!yes && strcmp(value, "false") != 0)
			return -EINVAL;
		memcpy(at, &yes, sizeof(yes));
		return 0;
	}
	if (u64_parse(value, &number) < 0)
		return -EINVAL;
	if (key->kind == BYTES) {
		memcpy(at, &number, sizeof(number));
	} else {
		uint32_t project = (uint32_t)number;

		/* 0 is everybody's, and what all bits stand for is refused by the kernel. */
		if (number == 0 || number >= UINT32_MAX)
			return -EINVAL;
		memcpy(at, &project, sizeof(project));
	}
	return 0;
}

static char *strip(char *s)
{
	char *end;

	s += strspn(s, " \t");
	end = s + strlen(s);
	while (end > s && strchr(" \t\r", end[-1]))
		*--end = '\0';
	return s;
}

static int parse_line(char *line, struct settings *s, const char **ret_problem)
{
	char *equals = strchr(line, '='), *name, *value;

	name = strip(line);
	if (!*name || *name == '#')
		return 0;
	*ret_problem = "it is no 'key = value'";
	if (!equals)
		return -EINVAL;
	*equals = '\0';
	name = strip(line);
	value = strip(equals + 1);
	*ret_problem = "the key is unknown";
	for (size_t i = 0; i < ARRAY_SIZE(KEYS); i++) {
		if (strcmp(KEYS[i].name, name) == 0) {
			*ret_problem = "the value is not understood";
			return set_value(&KEYS[i], s, value);
		}
	}
	return -EINVAL;
}

int settings_parse(const char *text, size_t len, const char *path, struct settings *ret,
		   struct error *err)
{
	_cleanup_free_ char *copy = strndup(text, len);
	struct settings s = settings_default();
	const char *problem = "";
	char *save = copy;

	if (!copy)
		return error_errno(err, ENOMEM, "read '%s'", path);
	/* Else all behind it would be the defaults, and nobody told. */
	if (strlen(copy) < len)
		return error_set(err, EINVAL, "'%s' has a zero byte; 'berth install' writes it anew",
				 path);
	for (unsigned number = 1; save; number++) {
		char *line = strsep(&save, "\n");

		if (parse_line(line, &s, &problem) < 0)
			return error_set(err, EINVAL, "'%s', line %u: %s; 'berth install' writes it anew",
					 path, number, problem);
	}
	if (s.projects.first > s.projects.last)
		return error_set(err, EINVAL, "'%s': first_project is above last_project", path);
	*ret = s;
	return 0;
}

int settings_read(const char *path, struct settings *ret, struct error *err)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r = file_read_at(AT_FDCWD, path, SETTINGS_CAP, &text, &len);

	if (r == -ENOENT) {
		*ret = settings_default();
		return 0;
	}
	if (r < 0)
		return error_errno(err, r, "read '%s'", path);
	return settings_parse(text, len, path, ret, err);
}

static void put_value(struct strbuf *sb, const struct key *key, const struct settings *s)
{
	const char *at = (const char *)s + key->offset;
	uint64_t bytes;
	uint32_t project;
	bool yes;

	switch (key->kind) {
	case PATH:
	case PATH_OR_NONE:
		strbuf_puts(sb, at);
		break;
	case BYTES:
		memcpy(&bytes, at, sizeof(bytes));
		strbuf_printf(sb, "%llu", (unsigned long long)bytes);
		break;
	case PROJECT:
		memcpy(&project, at, sizeof(project));
		strbuf_printf(sb, "%u", project);
		break;
	case BOOL:
		memcpy(&yes, at, sizeof(yes));
		strbuf_puts(sb, yes ? "true" : "false");
		break;
	}
}

char *settings_text(const struct settings *settings)
{
	_cleanup_(strbuf_release) struct strbuf sb = STRBUF_INIT;

	strbuf_puts(&sb, "# Written by berth from /etc/berth/config.yaml: what berth-runc goes by.\n");
	for (size_t i = 0; i < ARRAY_SIZE(KEYS); i++) {
		if (KEYS[i].help)
			strbuf_printf(&sb, "# %s\n", KEYS[i].help);
		strbuf_printf(&sb, "%s = ", KEYS[i].name);
		put_value(&sb, &KEYS[i], settings);
		strbuf_putc(&sb, '\n');
	}
	return strbuf_steal(&sb);
}
