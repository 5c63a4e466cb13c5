#include "apt_fixture.h"

#include <signal.h>
#include <sys/wait.h>

#include "base/digest.h"
#include "change/apt.h"
#include "change/apt_lists.h"
#include "change/package_lock.h"

#define POLICY "/usr/sbin/policy-rc.d"

static const struct strv *items(void)
{
	static char name[] = "docker.io", file[] = "/cache/sysbox.deb";
	static char *words[] = { name, file, NULL };
	static const struct strv ITEMS = { .items = words, .len = 2 };

	return &ITEMS;
}

static const struct strv *asked(void)
{
	static char name[] = "cri-o";
	static char *words[] = { name, NULL };
	static const struct strv ASKED = { .items = words, .len = 1 };

	return &ASKED;
}

static void resolved_and_downloaded(void **state)
{
	put_apt();
	must(apt_fetch(&ctx, items(), asked(), &must_err));
	assert_call(0, " --simulate install docker.io /cache/sysbox.deb");
	assert_call(1, " --download-only install docker.io /cache/sysbox.deb");
	assert_string_equal(call(2), "");
	assert_says(call(0), "--force-confold");
	assert_says(call(0), "APT::Install-Recommends=false");
	assert_says(call(0), "-oDPkg::Lock::Timeout=1 ");
	assert_null(strstr(call(0), "Dir::Etc"));
	assert_says(text_of("/environment"), "DEBIAN_FRONTEND=noninteractive\n");
	assert_says(text_of("/environment"), "NEEDRESTART_SUSPEND=1\n");
}

static void lists_are_refreshed_where_there_are_none(void **state)
{
	put_apt();
	assert_int_equal(unlink(real(LIST)), 0);
	put("/var/lib/apt/lists/lock", "");
	must(apt_fetch(&ctx, items(), asked(), &must_err));
	assert_call(0, " update");
	assert_call(1, " --simulate install docker.io /cache/sysbox.deb");
	put("/fail.update", "E: Could not resolve 'deb.debian.org'\n");
	assert_int_equal(apt_fetch(&ctx, items(), asked(), &must_err), -EPROTO);
	assert_string_equal(must_err.message, "the package lists cannot be refreshed: E: Could not "
					      "resolve 'deb.debian.org'");
}

static void stale_lists_are_refreshed_once(void **state)
{
	put_apt();
	put("/fail.download", "once\nE: Failed to fetch http://x  404  Not Found\n");
	must(apt_fetch(&ctx, items(), asked(), &must_err));
	assert_call(1, " --download-only install docker.io /cache/sysbox.deb");
	assert_call(2, " update");
	assert_call(4, " --download-only install docker.io /cache/sysbox.deb");
	assert_string_equal(call(5), "");
}

static void what_cannot_be_resolved(void **state)
{
	struct error err = ERROR_INIT;

	put_apt();
	put("/fail.simulate", "Reading package lists...\nE: Unable to locate package docker.io\n"
			      "something behind it\n");
	assert_int_equal(apt_fetch(&ctx, items(), asked(), &err), -EPROTO);
	assert_string_equal(
		err.message,
		"apt cannot resolve the packages: E: Unable to locate package docker.io");
	assert_call(1, " update");
	assert_call(2, " --simulate install docker.io /cache/sysbox.deb");
	assert_call(3, " update");
	assert_call(4, " --simulate install docker.io /cache/sysbox.deb");
	assert_string_equal(call(5), "");
}

/* apt would keep a list that a power cut left empty until its server has a newer one. */
static void damaged_lists_are_fetched_afresh(void **state)
{
	put_apt();
	put("/var/lib/apt/lists/lock", "");
	put("/var/lib/apt/lists/partial/half", "");
	put("/fail.simulate", "E: Unable to locate package docker.io\n");
	assert_int_equal(apt_fetch(&ctx, items(), asked(), &must_err), -EPROTO);
	assert_false(is_there(LIST));
	assert_true(is_there("/var/lib/apt/lists/lock"));
	assert_true(is_there("/var/lib/apt/lists/partial/half"));
	/* apt itself may find that it cannot read them. */
	put(LIST, "");
	put("/fail.update",
	    "once\nE: The package lists or status file could not be parsed or opened.\n");
	put("/fail.simulate", "once\nE: LZ4F: Read error\n");
	must(apt_fetch(&ctx, items(), asked(), &must_err));
	assert_false(is_there(LIST));
}

static void lists_stay_while_a_server_does_not_answer(void **state)
{
	struct error err = ERROR_INIT;

	put_apt();
	put("/fail.simulate", "E: Unable to locate package docker.io\n");
	put("/fail.update", "E: Failed to fetch http://x  Could not resolve 'x'\n");
	assert_int_equal(apt_fetch(&ctx, items(), asked(), &err), -EPROTO);
	assert_says(err.message, "Failed to fetch http://x");
	assert_true(is_there(LIST));
	assert_string_equal(call(2), "");
}

static void nothing_of_the_users_is_removed(void **state)
{
	struct error err = ERROR_INIT;

	put_apt();
	put("/simulation", "Inst runc (1.1 Debian:12)\nRemv podman-docker [4.3]\n");
	assert_int_equal(apt_fetch(&ctx, items(), asked(), &err), -EPERM);
	assert_says(err.message, "would remove the package 'podman-docker'");
	assert_false(was_called("--download-only"));
	assert_false(was_called("update"));
}

/* After a power cut an archive may have its size and not what was in it; apt looks at the size alone. */
static void archives_of_before(void **state)
{
	static const char RIGHT[] = "/var/cache/apt/archives/runc_1.1.5+ds_amd64.deb",
			  WRONG[] = "/var/cache/apt/archives/bridge-utils_1%3a1.7%5f2~x_all.deb",
			  TWICE[] = "/var/cache/apt/archives/jq_1.6_amd64.deb",
			  UNKNOWN[] = "/var/cache/apt/archives/own_1_amd64.deb",
			  OTHER[] = "/var/cache/apt/archives/other_1_amd64.deb";
	char digest[DIGEST_HEX_MAX], lists[2048];

	digest_hex("whole", 5, digest);
	put_apt();
	put_program("apt-cache", "cat \"$HOST_ROOT/lists\"; exit 100");
	put("/simulation", "Inst runc (1.1.5+ds Debian:12.1/stable [amd64])\n"
			   "Inst bridge-utils [1:1.6] (1:1.7_2~x Debian:12.1/stable [all]) []\n"
			   "Inst jq (1.6 Debian:12 [amd64])\nInst own (1 local-deb [amd64])\n"
			   "Inst absent (2 Debian:12 [amd64])\nConf runc (1.1.5+ds [amd64])\n");
	put(RIGHT, "whole");
	put(WRONG, "wrong");
	put(TWICE, "whole");
	put(UNKNOWN, "anything");
	put(OTHER, "anything");
	/* The same version of two repositories is not always the same file. */
	(void)snprintf(lists, sizeof(lists),
		       "Package: runc\nVersion: 1.1.5+ds\nSHA256: %s\n\n"
		       "Package: bridge-utils\nVersion: 1:1.7_2~x\nDescription: a\n line\nSHA256: %s\n\n"
		       "Package: jq\nVersion: 1.6\nSHA256: 00\n\nPackage: jq\nVersion: 1.6\nSHA256: %s\n\n"
		       "Package: other\nVersion: 1\nSHA256: %s\n", digest, digest, digest, digest);
	put("/lists", lists);
	must(apt_fetch(&ctx, items(), asked(), &must_err));
	assert_true(was_called("show runc=1.1.5+ds bridge-utils=1:1.7_2~x jq=1.6 own=1"));
	assert_true(is_there(RIGHT) && is_there(TWICE) && is_there(UNKNOWN) && is_there(OTHER));
	assert_false(is_there(WRONG));
}

static void the_engine_under_a_kubelet(void **state)
{
	struct error err = ERROR_INIT;

	put_apt();
	put_systemctl();
	put("/simulation", "Inst containerd [1.6.20] (1.7.2 Ubuntu:22.04)\n");
	must(apt_fetch(&ctx, items(), asked(), &must_err)); /* no kubelet */
	put_unit("kubelet.service", "active", "enabled", "");
	context_changed(&ctx);
	assert_int_equal(apt_fetch(&ctx, items(), asked(), &err), -EPERM);
	assert_says(err.message, "would upgrade 'containerd'");
	assert_says(err.message, "apt-mark hold containerd");
	/* Not an upgrade, not an engine, or what is asked for. */
	put("/simulation",
	    "Inst runc (1.1 Debian:12)\nInst cri-o [1.34.0] (1.35.0)\nInst libc6 [2.35] (2.36)\nInst\n\nConf runc\n");
	must(apt_fetch(&ctx, items(), asked(), &must_err));
}

static void only_the_bundle_is_known(void **state)
{
	put_apt();
	ctx.bundle_dir = "/var/lib/berth/cache/bundle";
	must(apt_fetch(&ctx, items(), asked(), &must_err));
	assert_call(0, " update");
	assert_says(call(0), "-oDir::Etc::SourceList=/var/lib/berth/cache/bundle/sources.list ");
	assert_says(call(0), "-oDir::Etc::SourceParts=- ");
	assert_says(call(1), "-oDir::State::Lists=/var/lib/berth/cache/bundle/lists ");
	put("/fail.download", "E: gone\n");
	assert_int_equal(apt_fetch(&ctx, items(), asked(), &must_err), -EPROTO);
	assert_says(must_err.message, "the packages cannot be downloaded: E: gone");
}

/* What a bundle has is asked of its own lists, not of the host's. */
static void a_candidate(void **state)
{
	_cleanup_free_ char *version = NULL;
	struct error err = ERROR_INIT;

	put_apt();
	put_program("apt-cache", "case \"$*\" in *Lists=/var/lib/berth/cache/bundle/lists*) echo '  Candidate: 1.34.0-1.1';;\n"
				 "*' none') echo '  Candidate: (none)';; *) echo '  Candidate: 1.33.1-1.1';; esac");
	must(apt_candidate(&ctx, "cri-o", &version, &must_err));
	assert_string_equal(version, "1.33.1-1.1");
	free(version);
	must(apt_candidate(&ctx, "none", &version, &must_err));
	assert_null(version);
	ctx.bundle_dir = "/var/lib/berth/cache/bundle";
	assert_int_equal(apt_candidate(&ctx, "cri-o", &version, &err), -EAGAIN);
	put("/var/lib/berth/cache/bundle/lists/_bundle_Packages", "");
	must(apt_candidate(&ctx, "cri-o", &version, &must_err));
	assert_string_equal(version, "1.34.0-1.1");
}

static void no_service_starts_meanwhile(void **state)
{
	put_apt();
	must(apt_install(&ctx, items(), &must_err));
	assert_call(0, " install docker.io /cache/sysbox.deb");
	assert_says(text_of("/policy.seen"), "exit 101\n");
	assert_false(is_there(POLICY));
	assert_false(is_there(POLICY ".berth-saved"));
}

/* apt only unpacks; those that are to be configured are named, with their architecture, and no
 * others. */
static void unpacked_packages_are_configured_by_name(void **state)
{
	struct error err = ERROR_INIT;

	put_apt();
	put("/status.installed",
	    "Package: docker.io\nStatus: install ok unpacked\nArchitecture: amd64\nVersion: 1\n\n"
	    "Package: lsb-release\nStatus: install ok unpacked\nArchitecture: all\nVersion: 1\n\n"
	    "Package: libc-bin\nStatus: install ok triggers-pending\nArchitecture: amd64\nVersion: 1\n\n"
	    "Package: old\nStatus: deinstall ok config-files\nArchitecture: amd64\nVersion: 1\n\n");
	must(apt_install(&ctx, items(), &must_err));
	assert_says(call(0), "DPkg::ConfigurePending=false");
	assert_string_equal(call(1),
			    "dpkg --force-confdef --force-confold --no-triggers --configure "
			    "docker.io:amd64 lsb-release");
	assert_string_equal(call(2), "");
	put("/fail.dpkg", "dpkg: error processing package docker.io (--configure):\n no space\n");
	assert_int_equal(apt_install(&ctx, items(), &err), -EPROTO);
	assert_string_equal(err.message, "the packages cannot be installed: dpkg: error processing "
					 "package docker.io (--configure): no space");
	assert_false(is_there(POLICY));
}

/* What a power cut may have left empty is unpacked once more, with the rest of what was to come. */
static void a_transaction_that_was_cut_off(void **state)
{
	static char runc[] = "runc", docker[] = "docker.io";
	static char *words[] = { runc, docker, NULL };
	static const struct strv ADDED = { .items = words, .len = 2 }, NONE = STRV_INIT;

	put_apt();
	must(apt_repair(&ctx, items(), &NONE, &must_err));
	assert_false(is_there("/calls"));
	must(apt_repair(&ctx, items(), &ADDED, &must_err));
	assert_call(0, " --reinstall --fix-broken install runc docker.io /cache/sysbox.deb");
	assert_says(text_of("/policy.seen"), "exit 101\n");
	assert_false(is_there(POLICY));
	assert_string_equal(call(1), "");
}

/* apt 3, asked for names: what else a package half way in needs must be there already. */
static void a_transaction_whose_rest_is_missing(void **state)
{
	static char runc[] = "runc";
	static char *words[] = { runc, NULL };
	static const struct strv ADDED = { .items = words, .len = 1 };
	struct error err = ERROR_INIT;

	put_apt();
	put("/fail.install", "once\nE: Unmet dependencies. Try 'apt --fix-broken install' with no packages.\n");
	must(apt_repair(&ctx, items(), &ADDED, &must_err));
	assert_call(0, " --reinstall --fix-broken install runc docker.io /cache/sysbox.deb");
	assert_call(1, " --no-remove --fix-broken install");
	assert_call(2, " --reinstall --fix-broken install runc docker.io /cache/sysbox.deb");
	assert_string_equal(call(3), "");
	must(host_remove(&host, "/calls", &must_err));
	put(STATUS, "Package: libjq1\nStatus: install reinstreq half-installed\nArchitecture: amd64\nVersion: 1\n\n");
	put("/fail.install", "once\nE: Internal Error, No file name for jq:amd64\n");
	must(apt_repair(&ctx, items(), &ADDED, &must_err));
	assert_call(1, " --reinstall --fix-broken install libjq1");
	assert_call(2, " --no-remove --fix-broken install");
	assert_call(3, " --reinstall --fix-broken install runc docker.io /cache/sysbox.deb");
	must(host_remove(&host, "/calls", &must_err));
	put("/fail.install", "E: No space left on device\n");
	assert_int_equal(apt_repair(&ctx, items(), &ADDED, &err), -EPROTO);
	assert_string_equal(err.message, "the packages cannot be installed: E: No space left on device");
	assert_string_equal(call(1), "");
	assert_false(is_there(POLICY));
}

static void a_policy_of_the_users_comes_back(void **state)
{
	struct error err = ERROR_INIT;

	put_apt();
	put_bytes(POLICY, "#!/bin/sh\nexit 0\n", 17, 0750);
	must(apt_install(&ctx, items(), &must_err));
	assert_says(text_of("/policy.seen"), "exit 101\n");
	assert_text(POLICY, "#!/bin/sh\nexit 0\n");
	assert_int_equal(mode_of(POLICY), 0750);
	put("/fail.install",
	    "dpkg: error processing package docker.io (--configure):\nE: Sub-process\n");
	assert_int_equal(apt_install(&ctx, items(), &err), -EPROTO);
	assert_says(err.message, "the packages cannot be installed: dpkg: error processing package "
				 "docker.io");
	assert_text(POLICY, "#!/bin/sh\nexit 0\n");
}

static void cleaning_up_after_a_cut(void **state)
{
	put_apt();
	must(apt_clean_up(&host, &must_err));
	/* Cut between setting theirs aside and writing ours. */
	put(POLICY ".berth-saved", "theirs");
	must(apt_clean_up(&host, &must_err));
	assert_text(POLICY, "theirs");
	/* Cut with ours in place. */
	assert_int_equal(rename(real(POLICY), real(POLICY ".berth-saved")), 0);
	put(POLICY,
	    "#!/bin/sh\n# berth: no service starts during a package transaction\nexit 101\n");
	must(apt_clean_up(&host, &must_err));
	assert_text(POLICY, "theirs");
	assert_false(is_there(POLICY ".berth-saved"));
	must(apt_clean_up(&host, &must_err));
	assert_text(POLICY, "theirs");
}

static void what_was_left_is_configured(void **state)
{
	struct error err = ERROR_INIT;

	put_apt();
	must(apt_configure_pending(&ctx, &must_err));
	assert_string_equal(call(0), "dpkg --force-confdef --force-confold --configure -a");
	assert_says(text_of("/policy.seen"), "exit 101\n");
	put("/fail.dpkg", "dpkg: error: dpkg frontend lock is held\n");
	assert_int_equal(apt_configure_pending(&ctx, &err), -EPROTO);
	assert_string_equal(err.message, "dpkg failed: dpkg: error: dpkg frontend lock is held");
	assert_false(is_there(POLICY));
}

/* What was installed: one of a repository, and one whose file was all there ever was of it. */
static const struct strv *installed(void)
{
	static char one[] = "docker.io", two[] = "cri-o";
	static char *words[] = { one, two, NULL };
	static const struct strv NAMES = { .items = words, .len = 2 };

	return &NAMES;
}

#define STANZA(name, state) "Package: " name "\nStatus: " state "\nVersion: 1\nArchitecture: amd64\n\n"

/* Docker's own purge would delete its data: its script is away by then. */
static void purged_but_not_the_data(void **state)
{
	put_apt();
	put("/var/lib/dpkg/status", STANZA("cri-o", "install ok installed") STANZA("docker.io", "install ok installed"));
	put("/var/lib/docker/image/x", "data");
	must(apt_purge(&ctx, installed(), &must_err));
	assert_call(0, " remove docker.io cri-o");
	assert_call(1, " purge docker.io cri-o");
	assert_false(is_there("/nuked"));
	assert_text("/var/lib/docker/image/x", "data");
}

/* apt cannot locate a package that has left no settings and is in no repository. */
static void only_what_dpkg_knows_is_purged(void **state)
{
	put_apt();
	put("/var/lib/dpkg/status", STANZA("docker.io", "deinstall ok config-files"));
	must(apt_purge(&ctx, installed(), &must_err));
	assert_call(0, " remove docker.io");
	assert_call(1, " purge docker.io");
	put("/var/lib/dpkg/status", "");
	must(apt_purge(&ctx, installed(), &must_err));
	assert_call(2, "dpkg --force-confdef --force-confold --configure -a");
}

static void a_remove_that_fails_purges_nothing(void **state)
{
	struct error err = ERROR_INIT;

	put_apt();
	put("/var/lib/dpkg/status", STANZA("docker.io", "install ok installed"));
	put("/fail.remove", "E: held\n");
	assert_int_equal(apt_purge(&ctx, installed(), &err), -EPROTO);
	assert_string_equal(err.message, "the packages cannot be removed: E: held");
	assert_false(was_called("purge"));
}

static void who_else_would_go(void **state)
{
	_cleanup_(strv_release) struct strv others = STRV_INIT;

	put_apt();
	put("/simulation", "Reading state...\nPurg docker.io [20.10]\nRemv compose [1.2]\n"
			   "Purg compose [1.2]\nInst x (1)\nRemv\n\n");
	put("/var/lib/dpkg/status", STANZA("docker.io", "install ok installed"));
	must(apt_simulate_purge(&ctx, installed(), &others, &must_err));
	assert_int_equal(others.len, 1);
	assert_string_equal(others.items[0], "compose");
}

/* A process that holds a lock until it is killed. */
static pid_t hold(const char *path)
{
	int ready[2];
	char byte = 0;
	pid_t pid;

	put(path, "");
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
		int fd = open(real(path), O_RDWR | O_CLOEXEC);

		byte = fcntl(fd, F_SETLK, &lock) == 0;
		(void)!write(ready[1], &byte, 1);
		pause();
		_exit(0);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(byte, 1);
	close(ready[0]);
	return pid;
}

static void a_lock_names_its_holder(void **state)
{
	static const char *const LOCKS[] = { "/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock",
					     "/var/lib/apt/lists/lock",
					     "/var/cache/apt/archives/lock" };

	put_apt();
	must(package_lock_wait(&ctx, &must_err)); /* not even there */
	for (size_t i = 0; i < ARRAY_SIZE(LOCKS); i++) {
		struct error err = ERROR_INIT;
		pid_t pid = hold(LOCKS[i]);
		_cleanup_free_ char *who = xasprintf("(process %d)", (int)pid);

		assert_int_equal(package_lock_wait(&ctx, &err), -EAGAIN);
		assert_int_equal(apt_install(&ctx, items(), NULL), -EAGAIN);
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		assert_says(err.message, who);
		assert_says(err.message, LOCKS[i]);
		assert_says(err.message, "test_apt");
		assert_says(err.message, "timeouts.package_lock");
		must(package_lock_wait(&ctx, &must_err));
	}
	assert_false(was_called("install"));
	assert_false(is_there(POLICY));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		change_test(resolved_and_downloaded),
		change_test(lists_are_refreshed_where_there_are_none),
		change_test(stale_lists_are_refreshed_once),
		change_test(what_cannot_be_resolved),
		change_test(damaged_lists_are_fetched_afresh),
		change_test(lists_stay_while_a_server_does_not_answer),
		change_test(nothing_of_the_users_is_removed),
		change_test(archives_of_before),
		change_test(the_engine_under_a_kubelet),
		change_test(only_the_bundle_is_known),
		change_test(a_candidate),
		change_test(no_service_starts_meanwhile),
		change_test(unpacked_packages_are_configured_by_name),
		change_test(a_transaction_that_was_cut_off),
		change_test(a_transaction_whose_rest_is_missing),
		change_test(a_policy_of_the_users_comes_back),
		change_test(cleaning_up_after_a_cut),
		change_test(what_was_left_is_configured),
		change_test(purged_but_not_the_data),
		change_test(only_what_dpkg_knows_is_purged),
		change_test(a_remove_that_fails_purges_nothing),
		change_test(who_else_would_go),
		change_test(a_lock_names_its_holder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
