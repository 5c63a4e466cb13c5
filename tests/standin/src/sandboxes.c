#include "sandboxes.h"
#include "data_root.h"
#include "overlay.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static char *volume_path(const struct sandboxes *all, const struct sandbox *one, size_t kind)
{
	return format_string("%s/%s/%s", all->data_root, volume_kinds[kind].name, one->id);
}

static struct sandbox *find(const struct sandboxes *all, const char *id)
{
	for (struct sandbox *one = all->first; one; one = one->next)
		if (strcmp(one->id, id) == 0)
			return one;
	return NULL;
}

static void release(struct sandbox *one)
{
	free(one->id);
	free(one->rootfs);
	free(one->watch);
	free(one->tree);
	free(one);
}

static int copy_tree(const char *from, const char *to, struct failure *f)
{
	_cleanup_(freep) char *source = format_string("%s/", from);
	const char *argv[] = { "rsync", "-rauqlH", "--no-devices", "--delete", source, to, NULL };

	return run_program(argv, f);
}

static bool is_empty(const char *path)
{
	DIR *folder = opendir(path);
	const struct dirent *entry;
	bool empty = true;

	/* As good as empty: what is not there. */
	if (!folder)
		return errno == ENOENT;
	while (empty && (entry = readdir(folder)))
		empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
	closedir(folder);
	return empty;
}

static void copy_volumes_out(const struct sandboxes *all, const struct sandbox *one)
{
	struct failure f;

	if (!all->preload || access(one->tree, F_OK) < 0)
		return;
	for (size_t i = 0; i < volume_kind_count; i++) {
		_cleanup_(freep) char *volume = volume_path(all, one, i);
		_cleanup_(freep) char *target =
			format_string("%s%s", one->tree, volume_kinds[i].target);

		if (!(one->kinds & 1u << i) || access(volume, F_OK) < 0)
			continue;
		if (is_empty(volume) && is_empty(target))
			continue;
		if (make_dirs(target, volume_kinds[i].mode, &f) < 0 ||
		    copy_tree(volume, target, &f) < 0)
			say("copy '%s' of container %s out: %s", volume_kinds[i].name, one->id,
			    f.text);
	}
}

/* An existing volume is an error, and so is what cannot be copied in from the image. */
static int make_volume(const struct sandboxes *all, struct sandbox *one, size_t kind, uid_t owner,
		       struct failure *f)
{
	_cleanup_(freep) char *volume = volume_path(all, one, kind);
	_cleanup_(freep) char *source =
		format_string("%s%s", one->rootfs, volume_kinds[kind].target);

	if (mkdir(volume, volume_kinds[kind].mode) < 0)
		return fail_errno(f, "make volume '%s' for container %s", volume, one->id);
	one->kinds |= 1u << kind;
	if (chown(volume, owner, owner) < 0)
		return fail_errno(f, "chown '%s'", volume);
	return access(source, F_OK) == 0 ? copy_tree(source, volume, f) : 0;
}

static bool wanted(const json_t *request, const char *target)
{
	const json_t *taken = json_object_get(request, "taken");

	for (size_t i = 0; i < json_array_size(taken); i++) {
		const char *value = json_string_value(json_array_get(taken, i));

		if (value && strcmp(value, target) == 0)
			return false;
	}
	return true;
}

static int make_volumes(const struct sandboxes *all, struct sandbox *one, const json_t *request,
			uid_t owner, struct failure *f)
{
	for (size_t i = 0; i < volume_kind_count; i++)
		if (wanted(request, volume_kinds[i].target) &&
		    make_volume(all, one, i, owner, f) < 0)
			return -1;
	return 0;
}

static void remove_volumes(const struct sandboxes *all, struct sandbox *one)
{
	struct failure f;

	for (size_t i = 0; i < volume_kind_count; i++) {
		_cleanup_(freep) char *volume = volume_path(all, one, i);

		if (one->kinds & 1u << i && remove_tree(volume, &f) < 0)
			say("container %s: %s", one->id, f.text);
	}
	one->kinds = 0;
}

/* Docker takes ".../merged" away whenever a container stops and its parent when it is removed. */
static char *watch_path(const char *rootfs)
{
	const char *slash = strrchr(rootfs, '/');

	if (slash && strcmp(slash, "/merged") == 0)
		return format_string("%.*s", (int)(slash - rootfs), rootfs);
	return format_string("%s", rootfs);
}

static struct sandbox *describe(const char *id, const char *rootfs, struct failure *f)
{
	struct overlay overlay;
	int on_overlay = overlay_find(rootfs, &overlay, f);
	struct sandbox *one;

	if (on_overlay < 0)
		return NULL;
	one = calloc(1, sizeof(*one));
	if (!one)
		abort();
	one->id = format_string("%s", id);
	one->rootfs = format_string("%s", rootfs);
	one->watch = watch_path(rootfs);
	one->on_overlay = on_overlay;
	one->tree = format_string("%s", on_overlay ? overlay.upper : rootfs);
	if (on_overlay)
		overlay_release(&overlay);
	return one;
}

static struct id_range range_of(const struct sandboxes *all, const json_t *request)
{
	const json_t *base = json_object_get(request, "base");

	if (!base)
		return all->range;
	return (struct id_range){ (uint32_t)json_integer_value(base),
				  (uint32_t)json_integer_value(json_object_get(request, "size")) };
}

/* Root's files are shifted; files that are the range's already (no matter why) are taken as they
 * are. */
static int prepare(struct sandboxes *all, struct sandbox *one, const json_t *request,
		   bool restarted, bool *ret_idmapped, struct failure *f)
{
	struct stat st;
	bool shift;

	one->range = range_of(all, request);
	if (stat(one->rootfs, &st) < 0)
		return fail_errno(f, "stat '%s'", one->rootfs);
	shift = restarted ? one->was_shifted : st.st_uid != one->range.base;
	*ret_idmapped = shift && one->on_overlay;
	if (*ret_idmapped && !all->can_idmap)
		return fail(f, "this needs an overlay on ID-mapped mounts, the stand-in knows "
			       "nothing else");
	if (!restarted &&
	    make_volumes(all, one, request, *ret_idmapped ? 0 : one->range.base, f) < 0)
		return -1;
	one->was_shifted = shift;
	if (!shift)
		return 0;
	one->shifted = true;
	return ids_shift_up(one->tree, one->range, f);
}

int sandboxes_register(struct sandboxes *all, const json_t *request, struct sandbox **ret,
		       bool *ret_idmapped, struct failure *f)
{
	const char *id = json_string_value(json_object_get(request, "id"));
	const char *rootfs = json_string_value(json_object_get(request, "rootfs"));
	struct sandbox *one;
	bool restarted;

	if (!valid_id(id) || !rootfs || rootfs[0] != '/')
		return fail(f, "a request without a container id or root file system");
	one = find(all, id);
	if (one && !one->stopped)
		return fail(f, "container %s is registered already", id);
	restarted = one;
	if (!one) {
		one = describe(id, rootfs, f);
		if (!one)
			return -1;
		one->next = all->first;
		all->first = one;
	}
	one->stopped = false;
	*ret = one;
	if (prepare(all, one, request, restarted, ret_idmapped, f) == 0)
		return 0;
	/* As if it had never been here: the volumes it met are not its own. */
	struct failure ignored;

	if (one->shifted)
		(void)ids_shift_down(one->tree, one->range, &ignored);
	one->shifted = false;
	one->stopped = true;
	if (!restarted) {
		remove_volumes(all, one);
		all->first = one->next;
		release(one);
	}
	return -1;
}

int sandboxes_unregister(struct sandboxes *all, const char *id, struct failure *f)
{
	struct sandbox *one = find(all, id);

	if (!one || one->stopped)
		return fail(f, "container %s is not registered", id);
	one->stopped = true;
	if (one->shifted && ids_shift_down(one->tree, one->range, f) < 0)
		return -1;
	one->shifted = false;
	copy_volumes_out(all, one);
	say("container %s has stopped", id);
	return 0;
}

void sandboxes_collect(struct sandboxes *all)
{
	for (struct sandbox **at = &all->first; *at;) {
		struct sandbox *one = *at;

		if (!one->stopped || access(one->watch, F_OK) == 0 || errno != ENOENT) {
			at = &one->next;
			continue;
		}
		remove_volumes(all, one);
		say("container %s is gone", one->id);
		*at = one->next;
		release(one);
	}
}

bool sandboxes_any_stopped(const struct sandboxes *all)
{
	for (const struct sandbox *one = all->first; one; one = one->next)
		if (one->stopped)
			return true;
	return false;
}

void sandboxes_copy_out(const struct sandboxes *all)
{
	for (const struct sandbox *one = all->first; one; one = one->next)
		copy_volumes_out(all, one);
}
