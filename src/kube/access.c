#include "kube/access.h"

#include <fcntl.h>

#include "base/clock.h"
#include "base/file.h"

#define FILE_CAP ((size_t)1 << 20)
#define AGE_MS	 60000

void kube_access_release(struct kube_access *access)
{
	free(access->server);
	free(access->folder);
	free(access->authorities);
	free(access->token);
	free(access->namespace);
	free(access->authorization);
	free(access->certificate);
	free(access->key);
	*access = KUBE_ACCESS_INIT;
}

/* "https://HOST:PORT" of the environment; an IPv6 address goes into brackets. */
static char *server_of_environment(void)
{
	const char *host = getenv("KUBERNETES_SERVICE_HOST");
	const char *port = getenv("KUBERNETES_SERVICE_PORT");
	bool v6;

	if (!host || !*host)
		return NULL;
	v6 = strchr(host, ':') && host[0] != '[';
	return xasprintf("https://%s%s%s:%s", v6 ? "[" : "", host, v6 ? "]" : "",
			 port && *port ? port : "443");
}

static int read_file(const char *folder, const char *name, char **ret, struct error *err)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", folder, name);
	_cleanup_free_ char *text = NULL;
	int r = path ? file_read_at(AT_FDCWD, path, FILE_CAP, &text, NULL) : -ENOMEM;

	if (r < 0)
		return error_errno(err, r, "read the service account's '%s/%s'", folder, name);
	text[strcspn(text, "\r")] = '\0';
	while (*text && text[strlen(text) - 1] == '\n')
		text[strlen(text) - 1] = '\0';
	if (!*text)
		return error_set(err, ENODATA, "the service account's '%s/%s' is empty", folder, name);
	free(*ret);
	*ret = TAKE_PTR(text);
	return 0;
}

int kube_access_refresh(struct kube_access *access, struct error *err)
{
	uint64_t now = monotonic_ms();
	int r;

	if (access->read && now - access->read < AGE_MS)
		return 0;
	r = read_file(access->folder, "token", &access->token, err);
	if (r == 0)
		r = read_file(access->folder, "ca.crt", &access->authorities, err);
	if (r == 0)
		r = read_file(access->folder, "namespace", &access->namespace, err);
	if (r < 0)
		return r;
	free(access->authorization);
	access->authorization = xasprintf("Authorization: Bearer %s", access->token);
	if (!access->authorization)
		return error_errno(err, ENOMEM, "read the service account's token");
	access->read = now;
	return 0;
}

void kube_access_expire(struct kube_access *access)
{
	access->read = 0;
}

int kube_access_open(const char *server, const char *folder, struct kube_access *ret, struct error *err)
{
	struct kube_access access = KUBE_ACCESS_INIT;
	int r = 0;

	access.server = *server ? strdup(server) : server_of_environment();
	access.folder = strdup(folder);
	if (!access.server && !*server)
		r = error_set(err, ENOENT, "this is no pod: KUBERNETES_SERVICE_HOST is not set, and neither is "
			      "kubernetes.server");
	else if (!access.server || !access.folder)
		r = error_errno(err, ENOMEM, "reach the API server");
	else if (strncmp(access.server, "https://", 8) != 0)
		r = error_set(err, EINVAL, "the API server's URL '%s' does not begin with https://", access.server);
	else
		r = kube_access_refresh(&access, err);
	if (r < 0) {
		kube_access_release(&access);
		return r;
	}
	*ret = access;
	return 0;
}
