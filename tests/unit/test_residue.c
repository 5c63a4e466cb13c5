#include "change_fixture.h"

#include "change/residue.h"

static const char PASSWD[] = "root:x:0:0:root:/root:/bin/bash\n"
			     "sysboxer:x:1000:1000::/home/s:/bin/sh\n"
			     "daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n";

static void put_accounts(const char *more)
{
	static const char *const FILES[] = { "/etc/passwd",  "/etc/group",  "/etc/shadow",
					     "/etc/gshadow", "/etc/subuid", "/etc/subgid" };
	_cleanup_free_ char *text = xasprintf("%s%s", PASSWD, more);

	for (size_t i = 0; i < ARRAY_SIZE(FILES); i++)
		put_bytes(FILES[i], text, strlen(text), 0640);
}

static void what_packages_left_goes(void **state)
{
	put_accounts("");
	must(host_mkdirs(&host, "/var/lib/docker", 0711, NULL, &must_err));
	must(residue_capture(&host, &before, &must_err));
	put_accounts("sysbox:231072:65536\ndocker:x:998:admin\n");
	must(host_mkdirs(&host, "/var/lib/sysbox", 0755, NULL, &must_err));
	must(host_mkdirs(&host, "/etc/cni/net.d", 0755, NULL, &must_err));
	must(host_mkdirs(&host, "/opt/containerd/bin", 0755, NULL, &must_err));
	put("/etc/docker/key.json", "the daemon's");
	put("/etc/docker/hosts.json", "theirs");
	must(residue_remove(&host, before, &must_err));
	assert_text("/etc/passwd", PASSWD);
	assert_text("/etc/group", PASSWD);
	assert_text("/etc/shadow", PASSWD);
	assert_text("/etc/subuid", PASSWD);
	assert_int_equal(mode_of("/etc/shadow"), 0640);
	assert_false(is_there("/var/lib/sysbox"));
	assert_false(is_there("/etc/cni"));
	assert_false(is_there("/opt/containerd"));
	assert_true(is_there("/var/lib/docker"));
	assert_false(is_there("/etc/docker/key.json"));
	assert_true(is_there("/etc/docker/hosts.json"));
}

static void what_was_there_before_stays(void **state)
{
	static const char THEIRS[] = "docker:x:998:admin\nsysbox:x:5:5::/:/bin/false\n";
	_cleanup_free_ char *text = xasprintf("%s%s", PASSWD, THEIRS);

	put_accounts(THEIRS);
	must(host_mkdirs(&host, "/etc/cni/net.d", 0755, NULL, &must_err));
	must(residue_capture(&host, &before, &must_err));
	must(residue_remove(&host, before, &must_err));
	assert_text("/etc/passwd", text);
	assert_text("/etc/subgid", text);
	assert_true(is_there("/etc/cni/net.d"));
}

static void a_group_alone_is_an_account(void **state)
{
	put("/etc/group", "docker:x:998:admin\n");
	must(residue_capture(&host, &before, &must_err));
	put("/etc/subuid", "docker:1:1\nsysbox:2:2");
	must(residue_remove(&host, before, &must_err));
	assert_text("/etc/group", "docker:x:998:admin\n");
	assert_text("/etc/subuid", "docker:1:1\n");
}

static void files_that_are_not_there(void **state)
{
	must(host_mkdirs(&host, "/etc", 0755, NULL, &must_err));
	must(residue_capture(&host, &before, &must_err));
	assert_int_equal(json_array_size(json_object_get(before, "accounts")), 0);
	assert_int_equal(json_array_size(json_object_get(before, "directories")), 0);
	must(residue_remove(&host, before, &must_err));
	must(residue_remove(&host, before, &must_err));
	assert_false(is_there("/etc/passwd"));
}

static void a_link_in_place_of_an_account_file(void **state)
{
	struct error err = ERROR_INIT;

	must(residue_capture(&host, &before, &must_err));
	must(host_mkdirs(&host, "/etc", 0755, NULL, &must_err));
	assert_int_equal(symlink("/x", real("/etc/passwd")), 0);
	assert_int_equal(residue_remove(&host, before, &err), -EINVAL);
	assert_says(err.message, "'/etc/passwd' is a symbolic link");
}

#define UNITS "/etc/systemd/system"

static void put_link(const char *target, const char *path)
{
	must(host_symlink(&host, target, path, &must_err));
}

static void links_of_units_that_are_gone(void **state)
{
	must(host_mkdirs(&host, UNITS "/multi-user.target.wants", 0755, NULL, &must_err));
	must(host_mkdirs(&host, UNITS "/docker.service.d", 0755, NULL, &must_err));
	put("/usr/lib/systemd/system/ssh.service", "");
	put_link("/usr/lib/systemd/system/old.service", UNITS "/multi-user.target.wants/old.service");
	must(residue_capture(&host, &before, &must_err));

	must(host_mkdirs(&host, UNITS "/sockets.target.requires", 0755, NULL, &must_err));
	put_link("/lib/systemd/system/containerd.service", UNITS "/multi-user.target.wants/containerd.service");
	put_link("/usr/lib/systemd/system/ssh.service", UNITS "/multi-user.target.wants/ssh.service");
	put_link("/lib/systemd/system/docker.socket", UNITS "/sockets.target.requires/docker.socket");
	put_link("/lib/systemd/system/podman.service", UNITS "/alias.service");
	put_link("/dev/null", UNITS "/masked.service");
	put_link("/gone", UNITS "/docker.service.d/10-theirs.conf");
	must(residue_remove(&host, before, &must_err));
	assert_false(is_there(UNITS "/multi-user.target.wants/containerd.service"));
	assert_false(is_there(UNITS "/sockets.target.requires"));
	assert_false(is_there(UNITS "/alias.service"));
	assert_true(is_there(UNITS "/multi-user.target.wants/ssh.service"));
	assert_true(is_there(UNITS "/multi-user.target.wants/old.service"));
	assert_true(is_there(UNITS "/masked.service"));
	assert_true(is_there(UNITS "/docker.service.d/10-theirs.conf"));
}

static void what_a_script_wrote_and_the_power_took(void **state)
{
	must(residue_capture(&host, &before, &must_err));
	put("/etc/networks", "");
	must(residue_remove(&host, before, &must_err));
	assert_false(is_there("/etc/networks"));
	put("/etc/networks", "lan 10.0.0.0\n");
	must(residue_remove(&host, before, &must_err));
	assert_true(is_there("/etc/networks"));
}

/* useradd was about to rename it. */
static void an_account_file_that_was_being_written(void **state)
{
	put("/etc/group+", "before us");
	must(residue_capture(&host, &before, &must_err));
	put("/etc/subgid+", "sysbox:1:1\n");
	put("/etc/subgid", "a:1:1\n");
	must(residue_remove(&host, before, &must_err));
	assert_false(is_there("/etc/subgid+"));
	assert_true(is_there("/etc/subgid"));
	assert_true(is_there("/etc/group+"));
}

/* An older record did not note them: whose they are is not known. */
static void what_was_not_noted_stays(void **state)
{
	must(residue_capture(&host, &before, &must_err));
	json_object_del(before, "links");
	put("/etc/networks", "");
	must(host_mkdirs(&host, UNITS, 0755, NULL, &must_err));
	put_link("/lib/systemd/system/podman.service", UNITS "/alias.service");
	must(residue_remove(&host, before, &must_err));
	assert_true(is_there("/etc/networks"));
	assert_true(is_there(UNITS "/alias.service"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		change_test(what_packages_left_goes),
		change_test(what_was_there_before_stays),
		change_test(a_group_alone_is_an_account),
		change_test(files_that_are_not_there),
		change_test(a_link_in_place_of_an_account_file),
		change_test(links_of_units_that_are_gone),
		change_test(what_a_script_wrote_and_the_power_took),
		change_test(what_was_not_noted_stays),
		change_test(an_account_file_that_was_being_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
