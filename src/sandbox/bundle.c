#include "sandbox/bundle.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/json.h"
#include "base/strbuf.h"

#define LABEL "bundle="

void bundle_release(struct bundle *bundle)
{
	free(bundle->path);
	free(bundle->rootfs);
	free(bundle->disk);
	free(bundle->pod);
	free(bundle->pod_name);
	strv_release(&bundle->binds);
	*bundle = BUNDLE_INIT;
}

/* -ENOENT without a message. */
static int read_json(const char *path, json_t **ret, struct error *err)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	_cleanup_free_ char *text = NULL;
	struct stat st;
	size_t len;
	int r;

	if (fd < 0 && errno == ENOENT)
		return -ENOENT;
	if (fd < 0)
		return error_errno(err, errno, "open '%s'", path);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return error_set(err, EINVAL, "'%s' is no regular file", path);
	r = file_read_fd(fd, FILE_CAP_DEFAULT, &text, &len);
	if (r < 0)
		return error_errno(err, r, "read '%s'", path);
	return json_parse(text, len, path, ret, err);
}

static int copy_string(const json_t *value, char **ret)
{
	*ret = json_is_string(value) ? strdup(json_string_value(value)) : NULL;
	return json_is_string(value) && !*ret ? -ENOMEM : 0;
}

static bool is_bind(const json_t *mount)
{
	const char *type = json_get_string(mount, "type");
	const json_t *options = json_object_get(mount, "options");

	return (type && strcmp(type, "bind") == 0) || json_has_string(options, "bind") ||
	       json_has_string(options, "rbind");
}

static int read_binds(const json_t *mounts, struct strv *ret)
{
	const json_t *mount;
	size_t i;
	int r = 0;

	json_array_foreach (mounts, i, mount) {
		const char *source = json_get_string(mount, "source");

		if (r == 0 && source && *source == '/' && is_bind(mount))
			r = strv_add(ret, source);
	}
	return r;
}

/*
 * What engines tell of the pod, by annotations that no pod can set. CRI-O passes on all that a pod has, containerd's names
 * among them, and writes its own over them: it comes first. containerd passes on only those it was told to.
 */
static const struct pod_keys {
	const char *sandbox, *namespace, *pod, *container;
} POD_KEYS[] = {
	{ "io.kubernetes.cri-o.SandboxID", "io.kubernetes.pod.namespace", "io.kubernetes.pod.name",
	  "io.kubernetes.container.name" },
	{ "io.kubernetes.cri.sandbox-id", "io.kubernetes.cri.sandbox-namespace", "io.kubernetes.cri.sandbox-name",
	  "io.kubernetes.cri.container-name" },
};

static int read_pod(const json_t *annotations, struct bundle *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(POD_KEYS); i++) {
		const char *sandbox = json_get_string(annotations, POD_KEYS[i].sandbox);
		const char *namespace = json_get_string(annotations, POD_KEYS[i].namespace);
		const char *pod = json_get_string(annotations, POD_KEYS[i].pod);
		const char *container = json_get_string(annotations, POD_KEYS[i].container);

		if (!sandbox)
			continue;
		/* What CRI-O calls a pod's own container. */
		if (container && strcmp(container, "POD") == 0)
			container = NULL;
		ret->pod = strdup(sandbox);
		ret->pod_name = xasprintf("%s/%s%s%s", namespace ? namespace : "", pod ? pod : "",
					  container ? "/" : "", container ? container : "");
		return ret->pod && ret->pod_name ? 0 : -ENOMEM;
	}
	return 0;
}

/* {"root": {"path": ...}, "annotations": {...}, "mounts": [...], "linux": {"uidMappings": [...]}} */
static int fill(const json_t *config, const char *path, struct bundle *ret, struct error *err)
{
	const json_t *linux_part = json_object_get(config, "linux");
	const char *root = json_get_string(json_object_get(config, "root"), "path");
	int r;

	if (!root || !*root)
		return error_set(err, EINVAL, "'%s/config.json' names no root.path", path);
	ret->path = strdup(path);
	ret->rootfs = *root == '/' ? strdup(root) : xasprintf("%s/%s", path, root);
	ret->own_mappings = json_array_size(json_object_get(linux_part, "uidMappings")) > 0;
	r = copy_string(json_object_get(json_object_get(config, "annotations"), ANNOTATION_DISK),
			&ret->disk);
	if (r == 0)
		r = read_pod(json_object_get(config, "annotations"), ret);
	if (r == 0)
		r = read_binds(json_object_get(config, "mounts"), &ret->binds);
	return r < 0 || !ret->path || !ret->rootfs ? error_errno(err, ENOMEM, "read bundle '%s'", path) : 0;
}

int bundle_read(const char *path, struct bundle *ret, struct error *err)
{
	_cleanup_(bundle_release) struct bundle bundle = BUNDLE_INIT;
	_cleanup_free_ char *file = xasprintf("%s/config.json", path);
	_cleanup_json_ json_t *config = NULL;
	int r;

	if (!file)
		return error_errno(err, ENOMEM, "read bundle '%s'", path);
	r = read_json(file, &config, err);
	if (r == -ENOENT)
		return error_errno(err, ENOENT, "read '%s'", file);
	if (r == 0)
		r = fill(config, path, &bundle, err);
	if (r < 0)
		return r;
	*ret = bundle;
	bundle = BUNDLE_INIT;
	return 0;
}

void bundle_notes_make(const char *notes)
{
	const char *slash = strrchr(notes, '/');
	_cleanup_free_ char *parent = strndup(notes, (size_t)(slash - notes));

	if (mkdir(notes, 0700) == 0 || errno != ENOENT || !parent)
		return;
	(void)mkdir(parent, 0755);
	(void)mkdir(notes, 0700);
}

/* A link whose target is "<root>:<path>": made in one call, whole or not at all, gone with the boot. */
int bundle_note(const char *notes, const char *root, const char *id, const char *path, struct error *err)
{
	_cleanup_free_ char *link = xasprintf("%s/%s", notes, id);
	_cleanup_free_ char *text = xasprintf("%s:%s", root, path);

	if (!link || !text)
		return error_errno(err, ENOMEM, "note bundle '%s'", path);
	bundle_notes_make(notes);
	(void)unlink(link);
	return symlink(text, link) < 0 ? error_errno(err, errno, "note bundle '%s' at '%s'", path, link) : 0;
}

void bundle_forget(const char *notes, const char *id)
{
	_cleanup_free_ char *link = xasprintf("%s/%s", notes, id);

	if (link)
		(void)unlink(link);
}

char *bundle_noted(const char *notes, const char *id)
{
	_cleanup_free_ char *link = xasprintf("%s/%s", notes, id);
	char text[PATH_MAX];
	ssize_t len = link ? readlink(link, text, sizeof(text) - 1) : -1;
	const char *path;

	if (len < 0)
		return NULL;
	text[len] = '\0';
	path = strstr(text, ":/"); /* both paths begin with a slash */
	return path ? strdup(path + 1) : NULL;
}

static char *find_note(const char *notes, const char *root, const char *id)
{
	_cleanup_free_ char *link = xasprintf("%s/%s", notes, id);
	size_t n = strlen(root);
	char text[PATH_MAX];
	ssize_t len = link ? readlink(link, text, sizeof(text) - 1) : -1;

	if (len < 0)
		return NULL;
	text[len] = '\0';
	if (strncmp(text, root, n) != 0 || text[n] != ':' || text[n + 1] != '/')
		return NULL; /* another runtime's container of the same name */
	return strdup(text + n + 1);
}

static int find_in_state(const char *root, const char *id, char **ret_path, struct error *err)
{
	_cleanup_free_ char *file = xasprintf("%s/%s/state.json", root, id);
	_cleanup_json_ json_t *state = NULL;
	const json_t *labels, *label;
	const char *path = NULL;
	size_t i;
	int r;

	if (!file)
		return error_errno(err, ENOMEM, "look for container %s", id);
	r = read_json(file, &state, err);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	labels = json_object_get(json_object_get(state, "config"), "labels");
	/* Annotations come first, as labels too: one called "bundle" is not it, the runtime's own is last. */
	json_array_foreach (labels, i, label) {
		const char *text = json_string_value(label);

		if (text && strncmp(text, LABEL, strlen(LABEL)) == 0)
			path = text + strlen(LABEL);
	}
	if (!path || *path != '/')
		return error_set(err, EINVAL, "'%s' has no label with the path of the bundle", file);
	*ret_path = strdup(path);
	return *ret_path ? 1 : error_errno(err, ENOMEM, "look for container %s", id);
}

int bundle_find(const char *notes, const char *root, const char *id, char **ret_path, struct error *err)
{
	char *noted = find_note(notes, root, id);

	if (!noted)
		return find_in_state(root, id, ret_path, err);
	*ret_path = noted;
	return 1;
}
