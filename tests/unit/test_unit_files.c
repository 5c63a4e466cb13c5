#include "host_fixture.h"

#include "host/unit_files.h"

#define FILE_A "/usr/lib/systemd/system/kubelet.service"
#define FILE_B "/etc/systemd/system/kubelet.service.d/10-kubeadm.conf"
#define OURS   "/etc/systemd/system/kubelet.service.d/zz-berth-crio.conf"

/* As kubeadm's own packages have it. */
static const char KUBEADM[] =
	"# Note: This dropin only works with kubeadm and kubelet v1.11+\n"
	"[Service]\n"
	"Environment=\"KUBELET_KUBECONFIG_ARGS=--kubeconfig=/etc/kubernetes/kubelet.conf\"\n"
	"EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env\n"
	"ExecStart=\n"
	"ExecStart=/usr/bin/kubelet $KUBELET_KUBECONFIG_ARGS \\\n"
	"  # between\n"
	"  $KUBELET_EXTRA_ARGS  \n";

static void show(const char *drop_ins)
{
	_cleanup_free_ char *script = xasprintf("echo FragmentPath=" FILE_A "\necho 'DropInPaths=%s'", drop_ins);

	put_program("systemctl", script);
}

static void assert_command(const char *less, const char *expected)
{
	_cleanup_free_ char *command = NULL;

	must(unit_exec_start(&host, "kubelet.service", less, &command, &must_err));
	assert_string_equal(command, expected);
}

static void the_last_one_counts(void **state)
{
	put(FILE_A, "[Unit]\nExecStart=no\n[Service]\nExecStart=/usr/bin/kubelet\nRestart=always\n[Install]\nExecStart=no\n");
	show("");
	assert_command(NULL, "/usr/bin/kubelet");
	put(FILE_B, KUBEADM);
	show(FILE_B);
	assert_command(NULL, "/usr/bin/kubelet $KUBELET_KUBECONFIG_ARGS  $KUBELET_EXTRA_ARGS");
}

static void one_that_does_not_count(void **state)
{
	put(FILE_A, "[Service]\n ExecStart = -/usr/bin/kubelet \"--a b\" '--c'\n");
	put(OURS, "[Service]\nExecStart=\nExecStart=/usr/bin/kubelet --more\n");
	show(FILE_B " " OURS);
	assert_command(NULL, "/usr/bin/kubelet --more");
	assert_command(OURS, "-/usr/bin/kubelet \"--a b\" '--c'");
}

static void another_with_the_last_word(void **state)
{
	static const char LATER[] = "/etc/systemd/system/kubelet.service.d/zzz.conf";
	_cleanup_free_ char *command = NULL;
	struct error err = ERROR_INIT;

	put(FILE_A, "[Service]\nExecStart=/usr/bin/kubelet \\\\\nRestart=no\n");
	put(LATER, "[Service]\nEnvironment=A=b\n");
	show(OURS " /etc/systemd/system/kubelet.service.d/zzz.conf");
	assert_command(OURS, "/usr/bin/kubelet \\\\");
	put(LATER, "[Service]\nExecStart=\nExecStart=/usr/bin/kubelet --v=5\n");
	assert_command(NULL, "/usr/bin/kubelet --v=5");
	assert_int_equal(unit_exec_start(&host, "kubelet.service", OURS, &command, &err), -EEXIST);
	assert_non_null(strstr(err.message, LATER));
}

static void not_one_command(void **state)
{
	_cleanup_free_ char *command = NULL;
	struct error err = ERROR_INIT;

	show("");
	put(FILE_A, "[Service]\nExecStart=/a\nExecStart=/b\n");
	assert_int_equal(unit_exec_start(&host, "kubelet.service", NULL, &command, &err), -EINVAL);
	assert_non_null(strstr(err.message, "has 2 commands"));
	put(FILE_A, "[Service]\nExecStart=/a\nExecStart=\n");
	assert_int_equal(unit_exec_start(&host, "kubelet.service", NULL, &command, &err), -ENOENT);
	put_program("systemctl", "exit 1");
	assert_true(unit_exec_start(&host, "kubelet.service", NULL, &command, &err) < 0);
	assert_null(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_last_one_counts, test_setup, test_teardown),
		cmocka_unit_test_setup_teardown(one_that_does_not_count, test_setup, test_teardown),
		cmocka_unit_test_setup_teardown(another_with_the_last_word, test_setup, test_teardown),
		cmocka_unit_test_setup_teardown(not_one_command, test_setup, test_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
