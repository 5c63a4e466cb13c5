/* sysbox-mgr of the stand-in: the data root, the sandboxes' volumes, the owners of their files. */
#include "data_root.h"
#include "options.h"
#include "sandboxes.h"
#include "service.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

enum { OPT_DATA_ROOT, OPT_NO_PRELOAD, OPT_NO_IDMAP, OPT_NO_OVERLAY_IDMAP, OPT_VERSION, OPT_V };

static const struct option_row rows[] = {
	[OPT_DATA_ROOT] = { "data-root", true },
	[OPT_NO_PRELOAD] = { "disable-inner-image-preload", false },
	[OPT_NO_IDMAP] = { "disable-idmapped-mount", false },
	[OPT_NO_OVERLAY_IDMAP] = { "disable-ovfs-on-idmapped-mount", false },
	[OPT_VERSION] = { "version", false },
	[OPT_V] = { "v", false },
	/* The rest is taken and has no effect. */
	{ "log", true },
	{ "l", true },
	{ "log-level", true },
	{ "log-format", true },
	{ "alias-dns", false },
	{ "cpu-profiling", false },
	{ "memory-profiling", false },
	{ "disable-shiftfs", false },
	{ "disable-shiftfs-on-fuse", false },
	{ "disable-shiftfs-precheck", false },
	{ "disable-rootfs-cloning", false },
	{ "ignore-sysfs-chown", false },
	{ "allow-trusted-xattr", false },
	{ "honor-caps", false },
	{ "syscont-mode", false },
	{ "relaxed-read-only", false },
	{ "fsuid-map-fail-on-error", false },
	{ NULL, false },
};

static int parse(int argc, char *argv[], struct sandboxes *all)
{
	struct option_hit hit;

	for (int i = 1; i < argc; i += hit.words) {
		hit = option_read(rows, argv, i);
		switch (hit.row) {
		case OPT_DATA_ROOT:
			if (!hit.value || hit.value[0] != '/')
				return -1;
			all->data_root = hit.value;
			break;
		case OPT_NO_PRELOAD:
			all->preload = !option_true(hit);
			break;
		case OPT_NO_IDMAP:
		case OPT_NO_OVERLAY_IDMAP:
			if (option_true(hit))
				all->can_idmap = false;
			break;
		case OPT_VERSION:
		case OPT_V:
			print_version("sysbox-mgr");
			exit(0);
		case -1:
		case -2:
			say("sysbox-mgr: what is '%s'?", argv[i]);
			return -1;
		default:
			break;
		}
	}
	return 0;
}

static int check_host(struct failure *f)
{
	static const char *const programs[] = { "rsync", "modprobe", "iptables" };
	char path[4096];

	for (size_t i = 0; i < ARRAY_SIZE(programs); i++)
		if (!find_program(programs[i], path, sizeof(path)))
			return fail(f, "preflight check failed: %s is not installed on host",
				    programs[i]);
	if (access("/proc/modules", R_OK) < 0)
		return fail_errno(f, "preflight check failed: read /proc/modules");
	return 0;
}

/* The first range of user sysbox, where the package has made that user. */
static struct id_range sysbox_range(void)
{
	struct id_range range = { 100000, 65536 };
	_cleanup_(freep) char *text = NULL;
	struct failure ignored;
	const char *line;

	if (read_whole("/etc/subuid", 1 << 20, &text, &ignored) < 0)
		return range;
	line = strncmp(text, "sysbox:", 7) == 0 ? text : strstr(text, "\nsysbox:");
	if (line) {
		unsigned long base = strtoul(strchr(line, ':') + 1, NULL, 10);

		if (base > 0 && base <= UINT32_MAX - range.size)
			range.base = (uint32_t)base;
	}
	return range;
}

static json_t *mounts_of(const struct sandboxes *all, const struct sandbox *one)
{
	json_t *mounts = json_array();

	for (size_t i = 0; i < volume_kind_count; i++) {
		_cleanup_(freep) char *source =
			format_string("%s/%s/%s", all->data_root, volume_kinds[i].name, one->id);

		if (one->kinds & 1u << i)
			json_array_append_new(mounts, json_pack("{ss ss}", "source", source,
								"target", volume_kinds[i].target));
	}
	return mounts;
}

static json_t *answer(void *context, json_t *request)
{
	struct sandboxes *all = context;
	const char *verb = json_string_value(json_object_get(request, "verb"));
	const char *id = json_string_value(json_object_get(request, "id"));
	struct sandbox *one;
	struct failure f;
	bool idmapped;

	if (verb && strcmp(verb, "register") == 0) {
		if (sandboxes_register(all, request, &one, &idmapped, &f) < 0)
			return json_pack("{ss}", "error", f.text);
		say("container %s is starting", one->id);
		return json_pack("{sI sI sb so}", "base", (json_int_t)one->range.base, "size",
				 (json_int_t)one->range.size, "idmapped", idmapped, "mounts",
				 mounts_of(all, one));
	}
	if (verb && strcmp(verb, "unregister") == 0 && valid_id(id)) {
		if (sandboxes_unregister(all, id, &f) < 0)
			return json_pack("{ss}", "error", f.text);
		return json_object();
	}
	return json_pack("{ss}", "error", "unknown request");
}

static bool busy(void *context)
{
	return sandboxes_any_stopped(context);
}

static void tick(void *context)
{
	sandboxes_collect(context);
}

static int start(struct sandboxes *all, struct failure *f)
{
	if (check_host(f) < 0 || make_dirs(RUN_DIR, 0700, f) < 0 ||
	    make_dirs(ROOTFS, 0700, f) < 0 || data_root_prepare(all->data_root, f) < 0)
		return -1;
	all->range = sysbox_range();
	all->can_idmap = all->can_idmap && data_root_can_idmap(all->data_root, all->range);
	say("data root %s, ids from %u, %s", all->data_root, all->range.base,
	    all->preload ? "volumes are copied out" : "volumes are not copied out");
	return 0;
}

int main(int argc, char *argv[])
{
	struct sandboxes all = { .data_root = "/var/lib/sysbox",
				 .preload = true,
				 .can_idmap = true };
	struct service service = {
		.socket = MGR_SOCKET, .context = &all, .answer = answer, .busy = busy, .tick = tick
	};
	struct failure f;
	int signals, r;

	if (parse(argc, argv, &all) < 0)
		return 1;
	say("Starting sysbox-mgr: stand-in for tests, not Sysbox");
	signals = service_block_signals(&f);
	if (signals < 0 || start(&all, &f) < 0) {
		say("failed to create sysbox-mgr: %s", f.text);
		return 1;
	}
	r = service_run(&service, signals, &f);
	if (r < 0)
		say("sysbox-mgr: %s", f.text);
	for (const struct sandbox *one = all.first; one; one = one->next)
		if (!one->stopped)
			say("container %s is active and will stop operating properly", one->id);
	sandboxes_copy_out(&all);
	data_root_wipe(all.data_root);
	return r < 0;
}
