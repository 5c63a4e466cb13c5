#include "host_fixture.h"

#include "kube/kubeconfig.h"

#define PATH "/etc/kubernetes/kubelet.conf"

/* One cluster and one user, whose lines are given. */
static void put_config(const char *user)
{
	_cleanup_free_ char *text = xasprintf(
		"apiVersion: v1\nkind: Config\ncurrent-context: here\n"
		"clusters:\n"
		"- name: other\n  cluster:\n    server: https://other\n"
		"- name: mine\n  cluster:\n    server: https://10.0.0.1:6443/\n    certificate-authority-data: Q0E=\n"
		"contexts:\n"
		"- name: there\n  context:\n    cluster: other\n    user: other\n"
		"- name: here\n  context:\n    cluster: mine\n    user: me\n"
		"users:\n"
		"- name: other\n  user:\n    token: wrong\n"
		"- name: me\n  user:\n%s", user);

	put(PATH, text);
}

static void a_client_certificate(void **state)
{
	_cleanup_(kube_access_release) struct kube_access access = KUBE_ACCESS_INIT;

	put("/var/lib/kubelet/pki/client.pem", "PEM");
	put("/etc/kubernetes/key.pem", "KEY");
	put_config("    client-certificate: /var/lib/kubelet/pki/client.pem\n    client-key: key.pem\n");
	must(kubeconfig_read(&host, PATH, &access, &must_err));
	assert_string_equal(access.server, "https://10.0.0.1:6443");
	assert_string_equal(access.authorities, "CA");
	assert_string_equal(access.certificate, "PEM");
	assert_string_equal(access.key, "KEY");
	assert_null(access.authorization);
}

static void tokens(void **state)
{
	static const char *const USERS[] = {
		"    token: secret\n",
		"    tokenFile: /etc/token\n",
		"    exec:\n      apiVersion: client.authentication.k8s.io/v1beta1\n      command: helper\n"
		"      args: [get-token, --cluster, one]\n      env:\n      - name: REGION\n        value: north\n",
	};

	put("/etc/token", "secret\n");
	put_program("helper", "[ \"$*$REGION\" = 'get-token --cluster onenorth' ] || exit 1\n"
			      "case $KUBERNETES_EXEC_INFO in *client.authentication.k8s.io/v1beta1*) ;; *) exit 1 ;; esac\n"
			      "echo '{\"kind\": \"ExecCredential\", \"status\": {\"token\": \"secret\"}}'");
	for (size_t i = 0; i < ARRAY_SIZE(USERS); i++) {
		_cleanup_(kube_access_release) struct kube_access access = KUBE_ACCESS_INIT;

		put_config(USERS[i]);
		must(kubeconfig_read(&host, PATH, &access, &must_err));
		assert_string_equal(access.authorization, "Authorization: Bearer secret");
		assert_null(access.certificate);
	}
}

static void the_first_where_none_is_current(void **state)
{
	_cleanup_(kube_access_release) struct kube_access access = KUBE_ACCESS_INIT;

	put(PATH, "clusters: [{cluster: {server: 'https://a'}}]\nusers: [{user: {token: t}}]\n");
	must(kubeconfig_read(&host, PATH, &access, &must_err));
	assert_string_equal(access.server, "https://a");
	assert_null(access.authorities);
}

static void what_is_not_understood(void **state)
{
	static const struct {
		const char *text, *says;
	} CASES[] = {
		{ "", "is no kubeconfig" },
		{ "- a\n", "is no kubeconfig" },
		{ "clusters: []\n", "names no API server" },
		{ "clusters: [{cluster: {server: 'http://a'}}]\n", "names no API server by https" },
		{ "clusters: [{cluster: {server: 'https://a'}}]\n", "has no user with" },
		{ "clusters: [{cluster: {server: 'https://a'}}]\nusers: [{user: {username: a, password: b}}]\n",
		  "has no user with" },
		{ "clusters: [{cluster: {server: 'https://a', certificate-authority-data: '%%%'}}]\n", "is not base64" },
		{ "clusters: [{cluster: {server: 'https://a'}}]\nusers: [{user: {tokenFile: /nowhere}}]\n", "/nowhere" },
		{ "clusters: [{cluster: {server: 'https://a'}}]\nusers: [{user: {exec: {args: []}}}]\n", "no command" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
		_cleanup_(kube_access_release) struct kube_access access = KUBE_ACCESS_INIT;
		struct error err = ERROR_INIT;

		put(PATH, CASES[i].text);
		if (kubeconfig_read(&host, PATH, &access, &err) >= 0 || !strstr(err.message, CASES[i].says))
			fail_msg("case %zu says: %s", i, err.message);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_client_certificate, test_setup, test_teardown),
		cmocka_unit_test_setup_teardown(tokens, test_setup, test_teardown),
		cmocka_unit_test_setup_teardown(the_first_where_none_is_current, test_setup, test_teardown),
		cmocka_unit_test_setup_teardown(what_is_not_understood, test_setup, test_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
