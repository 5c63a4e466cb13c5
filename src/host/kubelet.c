#include "host/kubelet.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>

#include "base/json.h"
#include "base/strbuf.h"
#include "base/yaml.h"
#include "sys/dir_names.h"

#define CONFIG_CAP ((size_t)1 << 20)

void kubelet_release(struct kubelet *kubelet)
{
	free(kubelet->unit);
	free(kubelet->config);
	free(kubelet->config_dir);
	free(kubelet->kubeconfig);
	free(kubelet->endpoint);
	free(kubelet->earlier_endpoint);
	free(kubelet->image_endpoint);
	free(kubelet->cgroup_driver);
	*kubelet = KUBELET_INIT;
}

static bool same_namespace(const struct host *host, const char *pid, const char *name)
{
	_cleanup_free_ char *path = xasprintf("/proc/%s/ns/%s", pid, name), *init = xasprintf("/proc/1/ns/%s", name);
	_cleanup_free_ char *its = NULL, *ours = NULL;

	return path && init && host_readlink(host, path, &its) == 0 && host_readlink(host, init, &ours) == 0 &&
	       strcmp(its, ours) == 0;
}

/* Anybody may call a process as he likes. The folder of a process without a core dump is root's, so its status is asked. */
static bool is_of_host(const struct host *host, const char *pid)
{
	_cleanup_free_ char *path = xasprintf("/proc/%s/status", pid), *status = NULL;

	if (host_is_rooted(host))
		return true;
	return path && host_read(host, path, 65536, &status, NULL) == 0 && strstr(status, "\nUid:\t0\t0\t0\t0\n") &&
	       same_namespace(host, pid, "user") && same_namespace(host, pid, "pid");
}

/* The host's process called kubelet and its command line, words parted by NULs. -ENOENT: none runs. */
static int find_process(const struct host *host, int *ret_pid, char **ret, size_t *ret_len)
{
	int fd = host_open(host, "/proc", O_RDONLY | O_DIRECTORY, 0);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	int r = -ENOENT;

	if (!dir) {
		(void)fd_close(fd);
		return -ENOENT;
	}
	while (r < 0 && (entry = readdir(dir))) {
		_cleanup_free_ char *comm = NULL, *path = NULL;

		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		path = xasprintf("/proc/%s/comm", entry->d_name);
		if (!path || host_read(host, path, 64, &comm, NULL) < 0 || strcmp(comm, "kubelet\n") != 0 ||
		    !is_of_host(host, entry->d_name))
			continue;
		free(path);
		path = xasprintf("/proc/%s/cmdline", entry->d_name);
		r = path ? host_read(host, path, 65536, ret, ret_len) : -ENOMEM;
		*ret_pid = (int)strtol(entry->d_name, NULL, 10);
	}
	(void)closedir(dir);
	return r;
}

/* "0::/system.slice/kubelet.service", "1:name=systemd:/system.slice/kubelet.service": its last part. */
static char *unit_of(const struct host *host, int pid)
{
	_cleanup_free_ char *path = xasprintf("/proc/%d/cgroup", pid), *text = NULL;
	char *line, *save = NULL;

	if (!path || host_read(host, path, 65536, &text, NULL) < 0)
		return NULL;
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		const char *name = strrchr(line, '/');
		size_t n = name ? strlen(name) : 0;

		if (n > 9 && strcmp(name + n - 8, ".service") == 0)
			return strdup(name + 1);
	}
	return NULL;
}

/* The value of "--name=value" or "--name value", of the last one; `ret_earlier`: of the one before that. */
static const char *flag_of(const char *command, size_t len, const char *name, const char **ret_earlier)
{
	const char *found = NULL, *value;
	size_t n = strlen(name);

	*ret_earlier = NULL;

	for (const char *word = command; word < command + len; word += strlen(word) + 1) {
		const char *dashes = word + strspn(word, "-");

		if (dashes == word || strncmp(dashes, name, n) != 0)
			continue;
		if (dashes[n] == '=')
			value = dashes + n + 1;
		else if (!dashes[n] && word + strlen(word) + 1 < command + len)
			value = word + strlen(word) + 1;
		else
			continue;
		*ret_earlier = found;
		found = value;
	}
	return found;
}

static char *of_json(const char *text, size_t len, const char *path, const char *key)
{
	_cleanup_json_ json_t *object = NULL;
	struct error ignored = ERROR_INIT;
	const char *value;

	(void)json_parse(text, len, path, &object, &ignored);
	value = json_get_string(object, key);
	return value ? strdup(value) : NULL;
}

static char *of_yaml(const char *text, size_t len, const char *path, const char *key)
{
	_cleanup_(yaml_freep) struct yaml_node *root = NULL;
	struct error ignored = ERROR_INIT;
	const struct yaml_node *value;

	if (yaml_parse(text, len, path, &root, &ignored) < 0 || !root || root->kind != YAML_MAPPING)
		return NULL;
	value = yaml_get(root, key);
	return value && value->kind == YAML_SCALAR ? strdup(value->scalar) : NULL;
}

/* A key of a configuration file: YAML as most have it, JSON as some (nodeadm). */
static char *of_file(const struct host *host, const char *path, const char *key)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;

	if (host_read(host, path, CONFIG_CAP, &text, &len) < 0)
		return NULL;
	return text[strspn(text, " \t\r\n")] == '{' ? of_json(text, len, path, key) : of_yaml(text, len, path, key);
}

/* Of its configuration file and those of its folder: the last that has the key. */
static char *of_config(const struct host *host, const struct kubelet *kubelet, const char *key)
{
	_cleanup_fd_ int fd = kubelet->config_dir ? host_open(host, kubelet->config_dir, O_RDONLY | O_DIRECTORY, 0) : -ENOENT;
	char *value = kubelet->config ? of_file(host, kubelet->config, key) : NULL;
	_cleanup_(strv_release) struct strv names = STRV_INIT;

	if (fd >= 0)
		(void)dir_names(fd, &names);
	strv_foreach (&names, i, name) {
		_cleanup_free_ char *path = xasprintf("%s/%s", kubelet->config_dir, name);
		size_t n = strlen(name);
		char *later = path && n > 5 && strcmp(name + n - 5, ".conf") == 0 ? of_file(host, path, key) : NULL;

		if (!later)
			continue;
		free(value);
		value = later;
	}
	return value;
}

static char *endpoint_path(const char *endpoint)
{
	if (!endpoint || !*endpoint)
		return NULL;
	return strdup(strncmp(endpoint, "unix://", 7) == 0 ? endpoint + 7 : endpoint);
}

/* By its flag, else by its files. */
static char *setting_of(const struct host *host, const struct kubelet *kubelet, const char *flag, const char *key)
{
	if (flag)
		return strdup(flag);
	return key ? of_config(host, kubelet, key) : NULL;
}

int kubelet_read(const struct host *host, struct kubelet *ret)
{
	_cleanup_(kubelet_release) struct kubelet kubelet = KUBELET_INIT;
	_cleanup_free_ char *command = NULL, *endpoint = NULL, *earlier = NULL, *images = NULL;
	const struct {
		const char *flag, *key;
		char **at, **earlier_at;
	} values[] = {
		{ "config", NULL, &kubelet.config }, /* first: the others may be in it */
		{ "config-dir", NULL, &kubelet.config_dir },
		{ "kubeconfig", NULL, &kubelet.kubeconfig },
		{ "container-runtime-endpoint", "containerRuntimeEndpoint", &endpoint, &earlier },
		{ "image-service-endpoint", "imageServiceEndpoint", &images },
		{ "cgroup-driver", "cgroupDriver", &kubelet.cgroup_driver },
	};
	size_t len = 0;

	*ret = KUBELET_INIT;
	if (find_process(host, &kubelet.pid, &command, &len) < 0)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		const char *before, *flag = flag_of(command, len, values[i].flag, &before);

		*values[i].at = setting_of(host, &kubelet, flag, values[i].key);
		if (flag && values[i].earlier_at)
			*values[i].earlier_at = setting_of(host, &kubelet, before, values[i].key);
	}
	kubelet.unit = unit_of(host, kubelet.pid);
	kubelet.endpoint = endpoint_path(endpoint);
	kubelet.earlier_endpoint = endpoint_path(earlier);
	kubelet.image_endpoint = endpoint_path(images);
	*ret = kubelet;
	kubelet = KUBELET_INIT;
	return 1;
}

static const char *less_var(const char *path)
{
	return path + (strncmp(path, "/var/run/", 9) == 0 ? 4 : 0);
}

const char *kubelet_engine(const struct kubelet *kubelet)
{
	return kubelet->endpoint ? kubelet->endpoint : "/run/containerd/containerd.sock";
}

bool kubelet_uses(const struct kubelet *kubelet, const char *socket)
{
	return strcmp(less_var(kubelet_engine(kubelet)), less_var(socket)) == 0;
}

bool kubelet_pulls_by_engine(const struct kubelet *kubelet)
{
	return !kubelet->image_endpoint || kubelet_uses(kubelet, kubelet->image_endpoint);
}

char *kubelet_version(const struct host *host, const struct kubelet *kubelet)
{
	_cleanup_free_ char *path = xasprintf("/proc/%d/exe", kubelet->pid), *program = NULL;
	_cleanup_(strbuf_release) struct strbuf said = STRBUF_INIT;
	const char *text;

	if (!path || host_readlink(host, path, &program) < 0 || host_version(host, program, &said, NULL) < 0)
		return NULL;
	text = strbuf_str(&said);
	if (strncmp(text, "Kubernetes v", 12) != 0)
		return NULL;
	return strndup(text + 12, strcspn(text + 12, " \n"));
}
