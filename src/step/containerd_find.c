#include "step/containerd_find.h"

#include "host/packages.h"
#include "step/daemon_flags.h"

#define DROP_IN_NAME "50-berth.toml"

void containerd_found_release(struct containerd_found *found)
{
	free(found->unit);
	free(found->program);
	free(found->config);
	free(found->drop_in);
	free(found->pattern);
	free(found->version);
	free(found->dump);
	free(found->socket);
	free(found->root);
	*found = CONTAINERD_FOUND_INIT;
}

/* What the unit starts; another of that name may lie in PATH, unused. free() it. */
static char *program_of(struct step_context *ctx, const char *exec_start)
{
	const char *path = strstr(exec_start, "path=");
	size_t n = path ? strcspn(path + 5, " ;") : 0;

	if (n > 11 && path[5] == '/' && strncmp(path + 5 + n - 11, "/containerd", 11) == 0)
		return strndup(path + 5, n);
	return host_find_program(ctx->host, "containerd");
}

/* What its command line sets has the last word over its files. */
static int take_flags(const struct daemon_flags *flags, struct containerd_found *ret, struct error *err)
{
	const char *address = daemon_flags_find(flags, "address"), *root = daemon_flags_find(flags, "root");

	ret->socket = address && *address == '/' ? strdup(address) : NULL;
	ret->root = root && *root == '/' ? strdup(root) : NULL;
	return (!address || *address != '/' || ret->socket) && (!root || *root != '/' || ret->root) ?
		       0 : error_errno(err, ENOMEM, "look for containerd");
}

static int find_unit(struct step_context *ctx, struct containerd_found *ret, struct error *err)
{
	for (const struct containerd_layout *l = containerd_layouts; l->name; l++) {
		for (size_t i = 0; i < ARRAY_SIZE(l->units) && l->units[i].name; i++) {
			const struct unit_state *u;
			_cleanup_(daemon_flags_release) struct daemon_flags flags = { 0 };
			const char *config;
			int r = context_unit(&ctx->change, l->units[i].name, &u, err);

			if (r < 0)
				return r;
			if (!unit_is(u->load, "loaded"))
				continue;
			r = daemon_flags_parse(l->generated ? "" : u->exec_start, &flags, err);
			if (r < 0)
				return r;
			config = daemon_flags_find(&flags, "config");
			r = take_flags(&flags, ret, err);
			if (r < 0)
				return r;
			ret->layout = l;
			ret->takes = l->units[i].takes;
			ret->unit = strdup(l->units[i].name);
			ret->config = strdup(config && *config == '/' ? config : l->config);
			ret->program = l->program ? strdup(l->program) : program_of(ctx, u->exec_start);
			return ret->unit && ret->config ? 0 : error_errno(err, ENOMEM, "look for containerd");
		}
	}
	return 0;
}

static int find_version(struct step_context *ctx, struct containerd_found *ret, struct error *err)
{
	_cleanup_(strbuf_release) struct strbuf said = STRBUF_INIT;
	int r = ret->program ? host_version(ctx->host, ret->program, &said, err) : 0;

	if (r == 0)
		ret->version = containerd_version_of(strbuf_str(&said));
	return r;
}

/* The folder of an import of all its *.toml, where the drop-in can go; NULL: none, or only of many. free() it. */
static char *imported_folder(const struct containerd_config *config)
{
	strv_foreach (&config->imports, i, pattern) {
		size_t n = strlen(pattern);

		if (*pattern == '/' && n > 7 && strcmp(pattern + n - 7, "/*.toml") == 0 && strcspn(pattern, "*?[\\") == n - 6)
			return strndup(pattern, n - 7);
	}
	return NULL;
}

static int find_drop_in(struct step_context *ctx, struct containerd_found *ret, struct error *err)
{
	_cleanup_(containerd_config_release) struct containerd_config config = CONTAINERD_CONFIG_INIT;
	_cleanup_free_ char *text = NULL, *folder = NULL;
	size_t len = 0;
	int r = host_read(ctx->host, ret->config, FILE_CAP_DEFAULT, &text, &len);

	if (r == 0)
		r = containerd_config_read(text, len, ret->config, &config, err);
	else if (r != -ENOENT && r != -ENOTDIR)
		return error_errno(err, r, "read '%s'", ret->config);
	else
		r = 0;
	if (r < 0)
		return r;
	ret->config_version = config.version;
	folder = ret->layout->generated ? NULL : imported_folder(&config);
	if (!ret->layout->generated)
		ret->pattern = xasprintf("%s/*.toml", folder ? folder : ret->layout->drop_ins);
	ret->drop_in = xasprintf("%s/" DROP_IN_NAME, folder ? folder : ret->layout->drop_ins);
	ret->imported = ret->drop_in && containerd_config_imports(&config, ret->config, ret->drop_in);
	return ret->drop_in ? 0 : error_errno(err, ENOMEM, "look for containerd's settings");
}

bool containerd_is_old(const struct containerd_found *found)
{
	return !found->version || package_version_compare(found->version, CONTAINERD_OLDEST) < 0;
}

/* The stock one's, by its settings; others are told both by their distribution's own flags. */
static int find_places(struct containerd_found *ret, struct error *err)
{
	bool stock = ret->dump && strcmp(ret->layout->socket, CONTAINERD_SOCKET) == 0;
	_cleanup_free_ char *address = stock ? containerd_dump_value(ret->dump, "grpc", "address") : NULL;

	if (!ret->root && stock)
		ret->root = containerd_dump_value(ret->dump, "", "root");
	if (!ret->socket)
		ret->socket = address && *address == '/' ? TAKE_PTR(address) : strdup(ret->layout->socket);
	return ret->socket ? 0 : error_errno(err, ENOMEM, "look for containerd's socket");
}

int containerd_find(struct step_context *ctx, struct containerd_found *ret, struct error *err)
{
	int r = host_exists(ctx->host, "/run/systemd/system") ? find_unit(ctx, ret, err) : 0;

	if (r == 0 && ret->layout)
		r = find_version(ctx, ret, err);
	if (r == 0 && ret->layout)
		r = find_drop_in(ctx, ret, err);
	if (r == 0 && ret->layout && !containerd_is_old(ret))
		r = containerd_dump(ctx->host, ret->program, ret->config, &ret->dump, err);
	return r == 0 && ret->layout ? find_places(ret, err) : r;
}
