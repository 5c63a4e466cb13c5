#include "step/crio_carried.h"

#include "engine/containerd.h"

#define STOCK_NETWORK_DIR "/etc/cni/net.d"
#define STOCK_PLUGIN_DIR  "/opt/cni/bin"

void crio_carried_release(struct crio_carried *carried)
{
	strv_release(&carried->left);
	free(carried->pause);
	free(carried->registries);
	free(carried->network_dir);
	free(carried->plugin_dirs);
}

/* Where containerd's dump has them: since 2.0, and before. */
static const struct {
	const char *pause_table, *pause, *registries, *cni;
} PLACES[] = {
	{ "plugins.'io.containerd.cri.v1.images'.pinned_images", "sandbox", "plugins.'io.containerd.cri.v1.images'.registry",
	  "plugins.'io.containerd.cri.v1.runtime'.cni" },
	{ "plugins.'io.containerd.grpc.v1.cri'", "sandbox_image", "plugins.'io.containerd.grpc.v1.cri'.registry",
	  "plugins.'io.containerd.grpc.v1.cri'.cni" },
};

/* Mirrors, and who one is to them, as they were written before there was a config_path. */
static void find_left(const char *dump, const char *registries, struct strv *ret)
{
	static const char *const BELOW[] = { "mirrors", "configs", "auths" };

	for (size_t i = 0; i < ARRAY_SIZE(BELOW); i++) {
		_cleanup_free_ char *table = xasprintf("%s.%s", registries, BELOW[i]);

		if (table)
			(void)containerd_dump_tables(dump, table, ret);
	}
}

/* A path that can stand between TOML's quotes as it is, and is not the one that CRI-O has. */
static bool is_other(const char *path, const char *stock)
{
	size_t len = path ? strlen(path) : 0;

	while (len > 1 && path[len - 1] == '/')
		len--;
	return len && *path == '/' && !strpbrk(path, "\"\\\n") && (len != strlen(stock) || strncmp(path, stock, len) != 0);
}

/* A list since 2.1, one folder before. */
static char *plugin_dirs(const char *dump, const char *cni)
{
	_cleanup_free_ char *list = containerd_dump_value(dump, cni, "bin_dirs");
	_cleanup_free_ char *one = containerd_dump_value(dump, cni, "bin_dir");

	if (list && *list == '[' && strchr(list, '/'))
		return strcmp(list, "['" STOCK_PLUGIN_DIR "']") == 0 ? NULL : TAKE_PTR(list);
	return is_other(one, STOCK_PLUGIN_DIR) ? xasprintf("[\"%s\"]", one) : NULL;
}

static void read_cni(const char *dump, const char *cni, struct crio_carried *ret)
{
	_cleanup_free_ char *network_dir = containerd_dump_value(dump, cni, "conf_dir");

	if (!ret->network_dir && is_other(network_dir, STOCK_NETWORK_DIR))
		ret->network_dir = TAKE_PTR(network_dir);
	if (!ret->plugin_dirs)
		ret->plugin_dirs = plugin_dirs(dump, cni);
}

void crio_carried_read(struct step_context *ctx, struct crio_carried *ret)
{
	_cleanup_free_ char *program = host_find_program(ctx->host, "containerd"), *dump = NULL;
	struct error ignored = ERROR_INIT;

	if (!program || containerd_dump(ctx->host, program, CONTAINERD_CONFIG, &dump, &ignored) < 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(PLACES); i++) {
		/* A list of folders; by default "/etc/containerd/certs.d:/etc/docker/certs.d". */
		_cleanup_free_ char *folders = containerd_dump_value(dump, PLACES[i].registries, "config_path");

		if (!ret->pause)
			ret->pause = containerd_dump_value(dump, PLACES[i].pause_table, PLACES[i].pause);
		if (!ret->registries && folders && *folders == '/')
			ret->registries = strndup(folders, strcspn(folders, ":"));
		read_cni(dump, PLACES[i].cni, ret);
		find_left(dump, PLACES[i].registries, &ret->left);
	}
}
