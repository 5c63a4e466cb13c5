#include "private.h"
#include "overlay.h"
#include "spec.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define CONFIG RUN_DIR "/config.json"

static int begin(struct failure *f)
{
	if (unshare(CLONE_NEWNS) < 0)
		return fail_errno(f, "make a mount namespace");
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return fail_errno(f, "stop mount propagation");
	/* Root of the sandbox may enter this one, unlike most engines' folders. */
	if (mount("tmpfs", RUN_DIR, "tmpfs", MS_NODEV | MS_NOSUID, "mode=0755,size=64m") < 0)
		return fail_errno(f, "mount a tmpfs on " RUN_DIR);
	if (mkdir(ROOTFS, 0755) < 0)
		return fail_errno(f, "make '" ROOTFS "'");
	return 0;
}

/* Replace each layer by an ID-mapped clone of it; Docker gives relative ones when the list is long.
 */
static int map_layers(const struct overlay *overlay, int userns, char **ret, struct failure *f)
{
	_cleanup_(freep) char *list = format_string("%s", "");
	_cleanup_(freep) char *copy = format_string("%s", overlay->lower);
	char *at = copy, *layer;
	int n = 0;

	while ((layer = strsep(&at, ":"))) {
		_cleanup_(freep) char *source =
			layer[0] == '/' ? format_string("%s", layer)
					: format_string("%s/../../%s", overlay->upper, layer);
		_cleanup_(freep) char *target = format_string(RUN_DIR "/%d", n);
		char *longer;
		int r;

		if (mkdir(target, 0755) < 0)
			return fail_errno(f, "make '%s'", target);
		r = ids_map_onto(source, target, false, userns);
		if (r < 0) {
			errno = -r;
			return fail_errno(f, "ID-map layer '%s'", source);
		}
		longer = format_string("%s%s%s", list, n ? ":" : "", target);
		free(list);
		list = longer;
		n++;
	}
	*ret = list;
	list = NULL;
	return 0;
}

static int mount_rootfs_idmapped(const char *rootfs, int userns, struct failure *f)
{
	_cleanup_(overlay_release) struct overlay overlay = { 0 };
	_cleanup_(freep) char *lower = NULL;
	_cleanup_(freep) char *options = NULL;
	_cleanup_(freep) char *work = NULL;
	int found = overlay_find(rootfs, &overlay, f);

	if (found < 0)
		return -1;
	if (!found)
		return fail(f, "'%s' is no overlay any more", rootfs);
	if (map_layers(&overlay, userns, &lower, f) < 0)
		return -1;
	/*
	 * The engine's own mount goes on using the upper directory: index=on would forbid it. The work
	 * directory is one of our own, beside the engine's, as the real one makes it.
	 */
	work = format_string("%s-sysbox", overlay.work);
	if (mkdir(work, 0700) < 0 && errno != EEXIST)
		return fail_errno(f, "make '%s'", work);
	options = format_string("lowerdir=%s,upperdir=%s,workdir=%s,index=off%s", lower,
				overlay.upper, work, overlay.rest);
	if (mount("overlay", ROOTFS, "overlay", 0, options) < 0)
		return fail_errno(f, "mount an overlay with %s", options);
	return 0;
}

static int mount_rootfs(const struct private_plan *plan, int userns, struct failure *f)
{
	if (plan->idmapped)
		return mount_rootfs_idmapped(plan->rootfs, userns, f);
	if (mount(plan->rootfs, ROOTFS, NULL, MS_BIND | MS_REC, NULL) < 0)
		return fail_errno(f, "bind '%s'", plan->rootfs);
	return 0;
}

static int add_volumes(const struct private_plan *plan, json_t *spec, int userns, struct failure *f)
{
	const json_t *volume;
	size_t i;

	json_array_foreach (plan->volumes, i, volume) {
		const char *source = json_string_value(json_object_get(volume, "source"));
		int r = plan->idmapped ? ids_map_onto(source, source, false, userns) : 0;

		if (r < 0) {
			errno = -r;
			return fail_errno(f, "ID-map volume '%s'", source);
		}
		spec_add_bind(spec, source, json_string_value(json_object_get(volume, "target")));
	}
	return 0;
}

static bool has_option(const json_t *mount, const char *name)
{
	const json_t *options = json_object_get(mount, "options");

	for (size_t i = 0; i < json_array_size(options); i++) {
		const char *value = json_string_value(json_array_get(options, i));

		if (value && strcmp(value, name) == 0)
			return true;
	}
	return false;
}

static bool make_target(const char *target, const struct stat *st)
{
	int fd;

	if (S_ISDIR(st->st_mode))
		return mkdir(target, 0755) == 0;
	fd = open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return false;
	close(fd);
	return true;
}

/* Files and folders of the host that root's of the sandbox are to be; what cannot be mapped stays.
 */
static void map_binds(json_t *spec, int userns)
{
	json_t *one;
	size_t i;

	json_array_foreach (json_object_get(spec, "mounts"), i, one) {
		const char *source = json_string_value(json_object_get(one, "source"));
		bool deep = has_option(one, "rbind");
		_cleanup_(freep) char *target = format_string(RUN_DIR "/bind%zu", i);
		struct stat st;

		if (!source || (!deep && !has_option(one, "bind")) || stat(source, &st) < 0 ||
		    !make_target(target, &st))
			continue;
		if (ids_map_onto(source, target, deep, userns) == 0)
			json_object_set_new(one, "source", json_string(target));
	}
}

static int show_config(const char *bundle, const json_t *spec, struct failure *f)
{
	_cleanup_(freep) char *target = format_string("%s/config.json", bundle);

	if (json_dump_file(spec, CONFIG, JSON_COMPACT) < 0)
		return fail(f, "cannot write '" CONFIG "'");
	if (mount(CONFIG, target, NULL, MS_BIND, NULL) < 0)
		return fail_errno(f, "bind '" CONFIG "' on '%s'", target);
	return 0;
}

int private_enter(const struct private_plan *plan, json_t *spec, struct failure *f)
{
	_cleanup_(closep) int userns = ids_namespace(plan->range, f);

	if (userns < 0 || begin(f) < 0 || mount_rootfs(plan, userns, f) < 0)
		return -1;
	if (!plan->own)
		map_binds(spec, userns);
	if (add_volumes(plan, spec, userns, f) < 0)
		return -1;
	json_object_set_new(json_object_get(spec, "root"), "path", json_string(ROOTFS));
	return show_config(plan->bundle, spec, f);
}
