#include "host_fixture.h"

#include "host/kubelet.h"

#define CONFIG "/var/lib/kubelet/config.yaml"

#define WORDS(words) words, sizeof(words)

static void put_kubelet(const char *words, size_t len)
{
	put("/proc/1/comm", "systemd\n");
	put("/proc/712/comm", "kubelet\n");
	put_bytes("/proc/712/cmdline", words, len, 0644);
}

static void no_kubelet(void **state)
{
	struct kubelet kubelet;

	assert_int_equal(kubelet_read(&host, &kubelet), 0);
	put("/proc/1/comm", "systemd\n");
	assert_int_equal(kubelet_read(&host, &kubelet), 0);
}

static void what_it_says(void **state)
{
	static const struct {
		const char *words;
		size_t len;
		const char *config, *endpoint;
	} CASES[] = {
		{ WORDS("/usr/bin/kubelet\0--container-runtime-endpoint=unix:///run/crio.sock"), NULL, "/run/crio.sock" },
		{ WORDS("kubelet\0--container-runtime-endpoint\0/run/a.sock\0--v=2"), NULL, "/run/a.sock" },
		{ WORDS("kubelet\0--config=" CONFIG), "containerRuntimeEndpoint: unix:///run/b.sock\n", "/run/b.sock" },
		{ WORDS("kubelet\0--config\0" CONFIG), "{\"containerRuntimeEndpoint\": \"unix:///run/j.sock\"}", "/run/j.sock" },
		/* The flag has the last word. */
		{ WORDS("kubelet\0--config=" CONFIG "\0--container-runtime-endpoint=/run/f.sock"),
		  "containerRuntimeEndpoint: /run/b.sock\n", "/run/f.sock" },
		{ WORDS("kubelet\0--config=" CONFIG), "kind: KubeletConfiguration\n", NULL },
		{ WORDS("kubelet\0--config=" CONFIG), "- no mapping\n", NULL },
		{ WORDS("kubelet\0--config=" CONFIG), "containerRuntimeEndpoint: [odd]\n", NULL },
		{ WORDS("kubelet\0--config=/nowhere"), NULL, NULL },
		{ WORDS("kubelet\0--container-runtime-endpoint"), NULL, NULL },
		{ WORDS("kubelet"), NULL, NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
		_cleanup_(kubelet_release) struct kubelet kubelet = KUBELET_INIT;
		const char *wanted = CASES[i].endpoint;

		put_kubelet(CASES[i].words, CASES[i].len);
		if (CASES[i].config)
			put(CONFIG, CASES[i].config);
		assert_int_equal(kubelet_read(&host, &kubelet), 1);
		if (!kubelet.endpoint != !wanted || (wanted && strcmp(kubelet.endpoint, wanted) != 0))
			fail_msg("case %zu gives %s", i, kubelet.endpoint ? kubelet.endpoint : "nothing");
	}
}

static void all_of_one(void **state)
{
	_cleanup_(kubelet_release) struct kubelet kubelet = KUBELET_INIT;

	put_kubelet(WORDS("/usr/bin/kubelet\0--kubeconfig=/etc/kubernetes/kubelet.conf\0--config=" CONFIG
			  "\0--container-runtime-endpoint=unix:///run/containerd/containerd.sock"
			  "\0--container-runtime-endpoint=unix:///var/run/crio/crio.sock"));
	put(CONFIG, "cgroupDriver: systemd\n");
	put("/proc/712/cgroup", "12:pids:/system.slice\n0::/system.slice/kubelet.service\n");
	assert_int_equal(kubelet_read(&host, &kubelet), 1);
	assert_int_equal(kubelet.pid, 712);
	assert_string_equal(kubelet.unit, "kubelet.service");
	assert_string_equal(kubelet.kubeconfig, "/etc/kubernetes/kubelet.conf");
	assert_string_equal(kubelet.config, CONFIG);
	assert_string_equal(kubelet.cgroup_driver, "systemd");
	assert_string_equal(kubelet.endpoint, "/var/run/crio/crio.sock");
	assert_string_equal(kubelet.earlier_endpoint, "/run/containerd/containerd.sock");
	assert_true(kubelet_uses(&kubelet, "/run/crio/crio.sock"));
	assert_false(kubelet_uses(&kubelet, "/run/containerd/containerd.sock"));
}

/* Its files say what it went by before a flag came. */
static void without_its_last_flag(void **state)
{
	_cleanup_(kubelet_release) struct kubelet kubelet = KUBELET_INIT;

	put_kubelet(WORDS("kubelet\0--config=" CONFIG "\0--container-runtime-endpoint\0/run/crio/crio.sock"));
	put(CONFIG, "containerRuntimeEndpoint: unix:///run/cri-dockerd.sock\n");
	assert_int_equal(kubelet_read(&host, &kubelet), 1);
	assert_string_equal(kubelet.endpoint, "/run/crio/crio.sock");
	assert_string_equal(kubelet.earlier_endpoint, "/run/cri-dockerd.sock");
}

/* Files of --config-dir come later, by their names; what is not *.conf is not read. */
static void the_folder_of_its_settings(void **state)
{
	_cleanup_(kubelet_release) struct kubelet kubelet = KUBELET_INIT;

	put_kubelet(WORDS("kubelet\0--config=" CONFIG "\0--config-dir=/etc/kubelet.d"));
	put(CONFIG, "containerRuntimeEndpoint: unix:///run/a.sock\ncgroupDriver: systemd\n");
	put("/etc/kubelet.d/40-b.conf", "{\"containerRuntimeEndpoint\": \"unix:///run/b.sock\"}");
	put("/etc/kubelet.d/50-c.conf", "imageServiceEndpoint: unix:///run/soci.sock\n");
	put("/etc/kubelet.d/60-d.yaml", "containerRuntimeEndpoint: unix:///run/d.sock\n");
	assert_int_equal(kubelet_read(&host, &kubelet), 1);
	assert_string_equal(kubelet.endpoint, "/run/b.sock");
	assert_string_equal(kubelet.image_endpoint, "/run/soci.sock");
	assert_string_equal(kubelet.cgroup_driver, "systemd");
	assert_false(kubelet_pulls_by_engine(&kubelet));
}

static void its_default_engine(void **state)
{
	assert_true(kubelet_uses(&KUBELET_INIT, "/run/containerd/containerd.sock"));
	assert_false(kubelet_uses(&KUBELET_INIT, "/run/crio/crio.sock"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(no_kubelet, test_setup, test_teardown),
		cmocka_unit_test_setup_teardown(what_it_says, test_setup, test_teardown),
		cmocka_unit_test_setup_teardown(all_of_one, test_setup, test_teardown),
		cmocka_unit_test_setup_teardown(without_its_last_flag, test_setup, test_teardown),
		cmocka_unit_test_setup_teardown(the_folder_of_its_settings, test_setup, test_teardown),
		cmocka_unit_test(its_default_engine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
