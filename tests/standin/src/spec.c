#include "spec.h"
#include "common.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define SPEC_LIMIT (16u << 20)

static const char *const capabilities[] = {
	"CAP_AUDIT_CONTROL",   "CAP_AUDIT_READ",   "CAP_AUDIT_WRITE",
	"CAP_BLOCK_SUSPEND",   "CAP_BPF",	   "CAP_CHECKPOINT_RESTORE",
	"CAP_CHOWN",	       "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH",
	"CAP_FOWNER",	       "CAP_FSETID",	   "CAP_IPC_LOCK",
	"CAP_IPC_OWNER",       "CAP_KILL",	   "CAP_LEASE",
	"CAP_LINUX_IMMUTABLE", "CAP_MAC_ADMIN",	   "CAP_MAC_OVERRIDE",
	"CAP_MKNOD",	       "CAP_NET_ADMIN",	   "CAP_NET_BIND_SERVICE",
	"CAP_NET_BROADCAST",   "CAP_NET_RAW",	   "CAP_PERFMON",
	"CAP_SETFCAP",	       "CAP_SETGID",	   "CAP_SETPCAP",
	"CAP_SETUID",	       "CAP_SYSLOG",	   "CAP_SYS_ADMIN",
	"CAP_SYS_BOOT",	       "CAP_SYS_CHROOT",   "CAP_SYS_MODULE",
	"CAP_SYS_NICE",	       "CAP_SYS_PACCT",	   "CAP_SYS_PTRACE",
	"CAP_SYS_RAWIO",       "CAP_SYS_RESOURCE", "CAP_SYS_TIME",
	"CAP_SYS_TTY_CONFIG",  "CAP_WAKE_ALARM",
};

int spec_load(const char *path, json_t **ret, struct failure *f)
{
	_cleanup_(freep) char *text = NULL;
	json_error_t error;

	if (read_whole(path, SPEC_LIMIT, &text, f) < 0)
		return -1;
	*ret = json_loads(text, JSON_REJECT_DUPLICATES, &error);
	if (!json_is_object(*ret)) {
		json_decref(*ret);
		return fail(f, "'%s' is no JSON object (line %d: %s)", path, error.line,
			    error.text);
	}
	return 0;
}

static json_t *namespaces_of(const json_t *spec)
{
	return json_object_get(json_object_get(spec, "linux"), "namespaces");
}

static json_t *find_namespace(const json_t *spec, const char *type)
{
	size_t i;
	json_t *one;

	json_array_foreach (namespaces_of(spec), i, one) {
		const char *value = json_string_value(json_object_get(one, "type"));

		if (value && strcmp(value, type) == 0)
			return one;
	}
	return NULL;
}

static bool is_own_network(const char *path)
{
	struct stat theirs, ours;

	return stat(path, &theirs) == 0 && stat("/proc/self/ns/net", &ours) == 0 &&
	       theirs.st_dev == ours.st_dev && theirs.st_ino == ours.st_ino;
}

int spec_check(const json_t *spec, struct failure *f)
{
	static const char *const needed[] = { "pid", "ipc", "uts", "mount", "network" };
	const json_t *network = find_namespace(spec, "network");
	const char *path = json_string_value(json_object_get(network, "path"));
	char missing[64] = "";

	for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
		size_t length = strlen(missing);

		if (!find_namespace(spec, needed[i]))
			snprintf(missing + length, sizeof(missing) - length, "%s%s",
				 length ? " " : "", needed[i]);
	}
	if (!missing[0] && path && is_own_network(path))
		snprintf(missing, sizeof(missing), "network");
	if (missing[0])
		return fail(f,
			    "sysbox containers can't share namespaces [%s] with the host "
			    "(they have a user namespace of their own)",
			    missing);
	return 0;
}

int spec_own_range(const json_t *spec, struct id_range *ret, struct failure *f)
{
	const json_t *linux_part = json_object_get(spec, "linux");
	const json_t *first = json_array_get(json_object_get(linux_part, "uidMappings"), 0);
	const json_t *namespace = find_namespace(spec, "user");

	if (!first) {
		if (json_object_get(namespace, "path"))
			return fail(f, "a user namespace to join without its mappings");
		return 0;
	}
	if (json_integer_value(json_object_get(first, "containerID")) != 0)
		return fail(f, "the mappings do not begin with root");
	ret->base = (uint32_t)json_integer_value(json_object_get(first, "hostID"));
	ret->size = (uint32_t)json_integer_value(json_object_get(first, "size"));
	return 1;
}

int spec_rootfs(const json_t *spec, const char *bundle, char **ret, struct failure *f)
{
	const char *path =
		json_string_value(json_object_get(json_object_get(spec, "root"), "path"));
	_cleanup_(freep) char *whole = NULL;

	if (!path)
		return fail(f, "config.json has no root.path");
	whole = path[0] == '/' ? format_string("%s", path) : format_string("%s/%s", bundle, path);
	*ret = realpath(whole, NULL);
	return *ret ? 0 : fail_errno(f, "find the root file system '%s'", whole);
}

json_t *spec_targets(const json_t *spec)
{
	json_t *targets = json_array(), *mount;
	size_t i;

	json_array_foreach (json_object_get(spec, "mounts"), i, mount)
		json_array_append(targets, json_object_get(mount, "destination"));
	return targets;
}

static void add_namespace(json_t *spec, const char *type)
{
	if (!find_namespace(spec, type))
		json_array_append_new(namespaces_of(spec), json_pack("{ss}", "type", type));
}

/* /sys and the cgroups are the sandbox's own: writable. */
static void make_writable(json_t *mount)
{
	const char *type = json_string_value(json_object_get(mount, "type"));
	json_t *options = json_object_get(mount, "options");

	if (!type || (strcmp(type, "sysfs") != 0 && strcmp(type, "cgroup") != 0))
		return;
	for (size_t i = json_array_size(options); i-- > 0;)
		if (strcmp(json_string_value(json_array_get(options, i)), "ro") == 0)
			json_array_remove(options, i);
}

void spec_open_up_process(json_t *process)
{
	static const char *const sets[] = { "bounding", "effective", "permitted" };
	const json_t *user = json_object_get(process, "user");

	json_object_del(process, "apparmorProfile");
	json_object_del(process, "selinuxLabel");
	if (json_integer_value(json_object_get(user, "uid")) != 0)
		return;
	json_object_set_new(process, "capabilities", json_object());
	for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
		json_t *set = json_array();

		for (size_t c = 0; c < ARRAY_SIZE(capabilities); c++)
			json_array_append_new(set, json_string(capabilities[c]));
		json_object_set_new(json_object_get(process, "capabilities"), sets[i], set);
	}
}

void spec_open_up(json_t *spec, struct id_range range, bool own)
{
	json_t *linux_part = json_object_get(spec, "linux");
	json_t *sysctl = json_object_get(linux_part, "sysctl");
	json_t *mount;
	size_t i;

	add_namespace(spec, "user");
	add_namespace(spec, "cgroup");
	for (int group = 0; !own && group < 2; group++)
		json_object_set_new(linux_part, group ? "gidMappings" : "uidMappings",
				    json_pack("[{si sI sI}]", "containerID", 0, "hostID",
					      (json_int_t)range.base, "size",
					      (json_int_t)range.size));
	/* The range that Docker asks for names groups that the sandbox does not have. */
	if (json_object_get(sysctl, "net.ipv4.ping_group_range"))
		json_object_set_new(sysctl, "net.ipv4.ping_group_range", json_string("0 65535"));
	json_object_del(linux_part, "seccomp");
	json_object_del(linux_part, "maskedPaths");
	json_object_del(linux_part, "readonlyPaths");
	json_object_del(linux_part, "mountLabel");
	json_array_foreach (json_object_get(spec, "mounts"), i, mount)
		make_writable(mount);
	if (json_object_get(spec, "process"))
		spec_open_up_process(json_object_get(spec, "process"));
}

void spec_add_bind(json_t *spec, const char *source, const char *target)
{
	json_t *mounts = json_object_get(spec, "mounts");

	if (!mounts) {
		mounts = json_array();
		json_object_set_new(spec, "mounts", mounts);
	}
	json_array_append_new(mounts,
			      json_pack("{ss ss ss s[ss]}", "destination", target, "type", "bind",
					"source", source, "options", "rbind", "rprivate"));
}
