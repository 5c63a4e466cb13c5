#include "kube/kubeconfig.h"

#include <openssl/evp.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/yaml.h"

#define FILE_CAP ((size_t)1 << 20)
#define EXEC_MS	 60000

struct reader {
	const struct host *host;
	const char *path; /* of the kubeconfig: its relative paths are of that folder */
	struct error *err;
};

static const char *text_of(const struct yaml_node *mapping, const char *key)
{
	const struct yaml_node *node = mapping && mapping->kind == YAML_MAPPING ? yaml_get(mapping, key) : NULL;

	return node && node->kind == YAML_SCALAR && *node->scalar ? node->scalar : NULL;
}

/* The entry of that name in a list of {name: ..., WHAT: {...}}, less its wrapping; the first where `name` is NULL. */
static const struct yaml_node *entry_of(const struct yaml_node *root, const char *list, const char *what,
					const char *name)
{
	const struct yaml_node *items = yaml_get(root, list);
	const struct yaml_node *item = items && items->kind == YAML_SEQUENCE ? items->child : NULL;

	for (; item; item = item->next) {
		const char *own = text_of(item, "name");

		if (item->kind == YAML_MAPPING && (!name || (own && strcmp(own, name) == 0)))
			return yaml_get(item, what);
	}
	return NULL;
}

static int decode(const struct reader *r, const char *base64, const char *key, char **ret)
{
	size_t len = strlen(base64);
	unsigned char *bytes = calloc(1, len / 4 * 3 + 4);
	int n = bytes ? EVP_DecodeBlock(bytes, (const unsigned char *)base64, (int)len) : -1;

	/* Padding comes out as zeros, and PEM text has none. */
	if (n < 0) {
		free(bytes);
		return error_set(r->err, EINVAL, "'%s': %s is not base64", r->path, key);
	}
	free(*ret);
	*ret = (char *)bytes;
	return 0;
}

static int read_named(const struct reader *r, const char *name, char **ret)
{
	const char *slash = strrchr(r->path, '/');
	_cleanup_free_ char *path = *name == '/' ? strdup(name) :
						   xasprintf("%.*s%s", (int)(slash - r->path) + 1, r->path, name);
	int code;

	free(*ret);
	*ret = NULL;
	code = path ? host_read(r->host, path, FILE_CAP, ret, NULL) : -ENOMEM;
	return code < 0 ? error_errno(r->err, code, "read '%s', which '%s' names", name, r->path) : 0;
}

/* KEY-data in it, or the file that KEY names. 0 also where it has neither. */
static int read_either(const struct reader *r, const struct yaml_node *mapping, const char *key, char **ret)
{
	_cleanup_free_ char *data_key = xasprintf("%s-data", key);
	const char *data = data_key ? text_of(mapping, data_key) : NULL;
	const char *name = text_of(mapping, key);

	if (!data_key)
		return error_errno(r->err, ENOMEM, "read '%s'", r->path);
	return data ? decode(r, data, key, ret) : name ? read_named(r, name, ret) : 0;
}

static int add_environment(const struct yaml_node *exec, const char *api_version, struct strv *ret)
{
	const struct yaml_node *env = yaml_get(exec, "env");
	int r = strv_addf(ret, "KUBERNETES_EXEC_INFO={\"apiVersion\":\"%s\",\"kind\":\"ExecCredential\","
			  "\"spec\":{\"interactive\":false}}", api_version);

	for (const struct yaml_node *e = env && env->kind == YAML_SEQUENCE ? env->child : NULL; r == 0 && e; e = e->next) {
		const char *name = text_of(e, "name"), *value = text_of(e, "value");

		if (name)
			r = strv_addf(ret, "%s=%s", name, value ? value : "");
	}
	return r;
}

static int set_token(const struct reader *r, const char *token, struct kube_access *ret)
{
	size_t n = strcspn(token, "\r\n");

	ret->authorization = xasprintf("Authorization: Bearer %.*s", (int)n, token);
	return ret->authorization ? 0 : error_errno(r->err, ENOMEM, "read '%s'", r->path);
}

static int take_credential(const struct reader *r, const struct strbuf *out, const char *program,
			   struct kube_access *ret)
{
	_cleanup_json_ json_t *credential = NULL;
	const char *token, *certificate, *key;
	const json_t *status;
	int code = json_parse(strbuf_str(out), out->len, program, &credential, r->err);

	if (code < 0)
		return code;
	status = json_object_get(credential, "status");
	token = json_get_string(status, "token");
	certificate = json_get_string(status, "clientCertificateData");
	key = json_get_string(status, "clientKeyData");
	if (certificate && key) {
		ret->certificate = strdup(certificate);
		ret->key = strdup(key);
		if (!ret->certificate || !ret->key)
			return error_errno(r->err, ENOMEM, "read '%s'", r->path);
	}
	if (!token && !ret->key)
		return error_set(r->err, EINVAL, "'%s', which '%s' names, gives neither token nor certificate", program,
				 r->path);
	return token ? set_token(r, token, ret) : 0;
}

static int run_exec(const struct reader *r, const struct yaml_node *exec, struct kube_access *ret)
{
	const char *program = text_of(exec, "command"), *api_version = text_of(exec, "apiVersion");
	_cleanup_(spawn_result_release) struct spawn_result result = SPAWN_RESULT_INIT;
	_cleanup_(strv_release) struct strv argv = STRV_INIT, env = STRV_INIT;
	struct spawn_options options = { .timeout_ms = EXEC_MS };
	const struct yaml_node *args = yaml_get(exec, "args");
	int code;

	if (!program || !api_version)
		return error_set(r->err, EINVAL, "'%s': exec has no command or no apiVersion", r->path);
	code = strv_add(&argv, program);
	for (const struct yaml_node *a = args && args->kind == YAML_SEQUENCE ? args->child : NULL; code == 0 && a;
	     a = a->next)
		code = strv_add(&argv, a->kind == YAML_SCALAR ? a->scalar : "");
	if (code == 0)
		code = add_environment(exec, api_version, &env);
	if (code < 0)
		return error_errno(r->err, code, "run '%s'", program);
	options.env = (const char *const *)env.items;
	code = host_check(r->host, (const char *const *)argv.items, &options, &result, r->err);
	return code < 0 ? code : take_credential(r, &result.out, program, ret);
}

static int take_user(const struct reader *r, const struct yaml_node *user, struct kube_access *ret)
{
	const char *token = text_of(user, "token"), *token_file = text_of(user, "tokenFile");
	const struct yaml_node *exec = user && user->kind == YAML_MAPPING ? yaml_get(user, "exec") : NULL;
	_cleanup_free_ char *text = NULL;
	int code = read_either(r, user, "client-certificate", &ret->certificate);

	if (code == 0)
		code = read_either(r, user, "client-key", &ret->key);
	if (code < 0 || (ret->certificate && ret->key))
		return code;
	if (token_file) {
		code = read_named(r, token_file, &text);
		return code < 0 ? code : set_token(r, text, ret);
	}
	if (token)
		return set_token(r, token, ret);
	if (exec && exec->kind == YAML_MAPPING)
		return run_exec(r, exec, ret);
	return error_set(r->err, EINVAL, "'%s' has no user with a client certificate, a token or a program that gives one",
			 r->path);
}

static int take_cluster(const struct reader *r, const struct yaml_node *cluster, struct kube_access *ret)
{
	const char *server = text_of(cluster, "server");
	size_t n = server ? strlen(server) : 0;

	while (n && server[n - 1] == '/')
		n--;
	if (!server || strncmp(server, "https://", 8) != 0)
		return error_set(r->err, EINVAL, "'%s' names no API server by https://", r->path);
	ret->server = strndup(server, n);
	return ret->server ? read_either(r, cluster, "certificate-authority", &ret->authorities) :
			     error_errno(r->err, ENOMEM, "read '%s'", r->path);
}

int kubeconfig_read(const struct host *host, const char *path, struct kube_access *ret, struct error *err)
{
	const struct reader reader = { .host = host, .path = path, .err = err };
	_cleanup_(kube_access_release) struct kube_access access = KUBE_ACCESS_INIT;
	_cleanup_(yaml_freep) struct yaml_node *root = NULL;
	const struct yaml_node *context;
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	int r = host_read(host, path, FILE_CAP, &text, &len);

	if (r < 0)
		return error_errno(err, r, "read '%s'", path);
	r = yaml_parse(text, len, path, &root, err);
	if (r < 0)
		return r;
	if (!root || root->kind != YAML_MAPPING)
		return error_set(err, EINVAL, "'%s' is no kubeconfig", path);
	context = entry_of(root, "contexts", "context", text_of(root, "current-context"));
	r = take_cluster(&reader, entry_of(root, "clusters", "cluster", text_of(context, "cluster")), &access);
	if (r == 0)
		r = take_user(&reader, entry_of(root, "users", "user", text_of(context, "user")), &access);
	if (r < 0)
		return r;
	access.read = monotonic_ms();
	*ret = access;
	access = KUBE_ACCESS_INIT;
	return 0;
}
