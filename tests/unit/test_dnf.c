#include "change_fixture.h"

#include <signal.h>

#include "change/dnf.h"
#include "change/package_lock.h"
#include "change/package_manager.h"

static const struct strv *items(void)
{
	static char a[] = "docker-ce", b[] = "fuse3";
	static char *list[] = { a, b, NULL };
	static const struct strv ITEMS = { .items = list, .len = 2 };

	return &ITEMS;
}

static const struct strv *asked(void)
{
	static char name[] = "cri-o";
	static char *words[] = { name, NULL };
	static const struct strv ASKED = { .items = words, .len = 1 };

	return &ASKED;
}

/* dnf 4.14 on a transaction that has all there is. */
static const char TABLE[] =
	"Last metadata expiration check: 0:00:02 ago on Fri Nov 27 18:49:40 2026.\n"
	"Dependencies resolved.\n"
	"================================================================================\n"
	" Package             Architecture    Version                Repository     Size\n"
	"================================================================================\n"
	"Installing:\n"
	" docker-ce           x86_64          3:26.1.4-1.el9         docker         27 M\n"
	"     replacing  docker-engine.x86_64 17.05.0-1.el7\n"
	" a-package-with-a-name-that-is-longer-than-the-column-it-has-been-given-here\n"
	"                     noarch          1.0-1                  appstream     6.3 k\n"
	"Installing dependencies:\n"
	" fuse3-libs          x86_64          3.10.2-8.el9           baseos         91 k\n"
	"Upgrading:\n"
	" runc                x86_64          4:1.1.13-1.el9         appstream     3.0 M\n"
	"   replacing         runc            x86_64   4:1.1.12-1.el9  appstream   3.0 M\n"
	"Removing dependent packages:\n"
	" podman              x86_64          2:4.9.4-0.1.el9        @appstream     53 M\n"
	"\n"
	"Transaction Summary\n"
	"================================================================================\n"
	"Install  3 Packages\n"
	" not a row           of anything\n";

static void the_table(void **state)
{
	static const struct {
		enum dnf_verb verb;
		const char *name;
	} ROWS[] = {
		{ DNF_INSTALL, "docker-ce" },
		{ DNF_REMOVE, "docker-engine" },
		{ DNF_INSTALL,
		  "a-package-with-a-name-that-is-longer-than-the-column-it-has-been-given-here" },
		{ DNF_INSTALL, "fuse3-libs" },
		{ DNF_UPGRADE, "runc" },
		{ DNF_REMOVE, "podman" },
	};
	_cleanup_free_ char *text = strdup(TABLE);
	struct dnf_table table = { .text = text };
	const char *name;

	for (size_t i = 0; i < ARRAY_SIZE(ROWS); i++) {
		assert_int_equal(dnf_table_next(&table, &name), ROWS[i].verb);
		assert_string_equal(name, ROWS[i].name);
	}
	assert_int_equal(dnf_table_next(&table, &name), DNF_NOTHING);
	assert_int_equal(dnf_table_next(&table, &name), DNF_NOTHING);
}

static int setup(void **state)
{
	int r = change_setup(state);

	os.packages = PACKAGES_DNF;
	put_systemctl();
	put("/table", "");
	/* `fail.VERB`: what is said, and it fails; "once" in it: only once. */
	put_program("dnf",
		    "cd \"$HOST_ROOT\"; verb=; no=\n"
		    "for word; do case $word in --assumeno) no=1;; --downloadonly) down=1;;\n"
		    "  install|remove|reinstall) verb=$word;; esac; done\n"
		    "[ $down ] && verb=download; [ $no ] && verb=no-$verb\n"
		    "if [ -e fail.$verb ]; then cat fail.$verb >&2\n"
		    "  grep -q once fail.$verb && rm fail.$verb; exit 1; fi\n"
		    "[ $no ] && { cat table; echo 'Operation aborted.'; exit 1; }; exit 0");
	return r;
}

static void resolved_and_downloaded(void **state)
{
	must(dnf_fetch(&ctx, items(), asked(), &must_err));
	assert_true(was_called("--setopt=install_weak_deps=False"));
	assert_true(was_called("--setopt=retries=3 --setopt=timeout=30 --assumeno install docker-ce fuse3\n"));
	assert_true(was_called("-y --downloadonly install docker-ce fuse3\n"));
	assert_false(was_called("--refresh"));
	must(dnf_install(&ctx, items(), &must_err));
	assert_true(was_called("-y --cacheonly install docker-ce fuse3\n"));
	must(dnf_remove(&ctx, items(), &must_err));
	assert_true(was_called("--setopt=clean_requirements_on_remove=False"));
	assert_true(was_called("-y remove docker-ce fuse3\n"));
}

/* Versions that are gone from the mirror: once more with fresh metadata. */
static void old_metadata_is_refreshed(void **state)
{
	put("/fail.download", "Error: once\n");
	must(dnf_fetch(&ctx, items(), asked(), &must_err));
	assert_true(was_called("--assumeno --refresh install docker-ce fuse3\n"));
}

static void nothing_is_removed(void **state)
{
	struct error err = ERROR_INIT;

	put("/table", TABLE);
	assert_int_equal(dnf_fetch(&ctx, items(), asked(), &err), -EPERM);
	assert_says(err.message, "installing would remove the package 'docker-engine'");
	assert_false(was_called("--downloadonly"));
}

static void the_engine_under_a_kubelet_stays(void **state)
{
	struct error err = ERROR_INIT;

	put("/table", "Upgrading:\n runc  x86_64  4:1.1.13-1.el9  appstream  3.0 M\n");
	must(dnf_fetch(&ctx, items(), asked(), &must_err));
	put_unit("kubelet.service", "active", "enabled", "");
	context_changed(&ctx);
	assert_int_equal(dnf_fetch(&ctx, items(), asked(), &err), -EPERM);
	assert_says(err.message, "would upgrade 'runc', the container engine under this node's kubelet: "
				 "hold it (dnf versionlock add runc)");
	put("/table", "Upgrading:\n cri-o  x86_64  1.35.0-1.1  cri-o  30 M\n");
	must(dnf_fetch(&ctx, items(), asked(), &must_err));
}

/* What dnf 4 and 5 say, and the line that is made of it. */
static void failures_in_one_line(void **state)
{
	static const struct {
		const char *said, *line;
	} TABLE_OF[] = {
		{ "No match for argument: docker-ce\nError: Unable to find a match: docker-ce\n",
		  "dnf cannot resolve the packages: No match for argument: docker-ce" },
		{ "Errors during downloading metadata for repository 'baseos':\n"
		  "  - Curl error (7): Couldn't connect to server for http://m/repomd.xml\n"
		  "Error: Failed to download metadata for repo 'baseos': All mirrors were tried\n",
		  "dnf cannot resolve the packages: Failed to download metadata for repo 'baseos': All "
		  "mirrors were tried; Curl error (7): Couldn't connect to server for "
		  "http://m/repomd.xml" },
		{ "Error: \n Problem: conflicting requests\n"
		  "  - nothing provides runc needed by docker-ce-26.x86_64\n"
		  "(try to add '--skip-broken' to skip uninstallable packages)\n",
		  "dnf cannot resolve the packages: nothing provides runc needed by docker-ce-26.x86_64" },
		{ "Failed to resolve the transaction:\nNo match for argument: nosuch\n",
		  "dnf cannot resolve the packages: Failed to resolve the transaction: No match for "
		  "argument: nosuch" },
		{ "Error: \n Problem 1: package docker-ce-1 requires containerd.io, but none of the "
		  "providers can be installed\n  - conflicting requests\n"
		  "  - package containerd.io-1 is filtered out by exclude filtering\n Problem 2: x\n",
		  "dnf cannot resolve the packages: package docker-ce-1 requires containerd.io, but none of "
		  "the providers can be installed; package containerd.io-1 is filtered out by exclude "
		  "filtering" },
		{ "strange\n", "dnf cannot resolve the packages: strange" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(TABLE_OF); i++) {
		struct error err = ERROR_INIT;

		put("/fail.no-install", TABLE_OF[i].said);
		assert_int_equal(dnf_fetch(&ctx, items(), asked(), &err), -EPROTO);
		assert_string_equal(err.message, TABLE_OF[i].line);
	}
}

static void who_else_would_go(void **state)
{
	_cleanup_(strv_release) struct strv others = STRV_INIT;

	put("/table", "Removing:\n docker-ce  x86_64  1\n fuse3  x86_64  1\n"
		      "Removing dependent packages:\n compose  noarch  2\n");
	must(dnf_simulate_remove(&ctx, items(), &others, &must_err));
	assert_true(was_called("--assumeno remove docker-ce fuse3\n"));
	assert_int_equal(others.len, 1);
	assert_string_equal(others.items[0], "compose");
}

static void again_after_a_cut(void **state)
{
	const struct strv none = STRV_INIT;
	struct error err = ERROR_INIT;

	must(dnf_repair(&ctx, items(), &none, &must_err));
	assert_true(was_called("-y --cacheonly install docker-ce fuse3\n"));
	assert_false(was_called("reinstall"));
	must(dnf_repair(&ctx, items(), items(), &must_err));
	assert_true(was_called("-y reinstall docker-ce fuse3\n"));
	put("/fail.install", "Error: Some packages have invalid cache\n");
	put("/fail.reinstall", "Error: No packages marked for reinstall.\n");
	assert_int_equal(dnf_repair(&ctx, items(), items(), &err), 0);
	assert_int_equal(err.code, 0);
	assert_int_equal(dnf_install(&ctx, items(), &err), -EPROTO);
	assert_says(err.message, "the packages cannot be installed: Some packages have invalid cache");
}

static void by_another_name(void **state)
{
	assert_int_equal(rename(real("/usr/bin/dnf"), real("/usr/bin/yum")), 0);
	must(dnf_install(&ctx, items(), &must_err));
	assert_true(was_called("yum "));
}

/* dnf leaves its process id; one of a process that is gone is nothing. */
static void locks_by_process_id(void **state)
{
	static const char *const LOCKS[] = { "/var/lib/dnf/rpmdb_lock.pid",
					     "/var/cache/dnf/metadata_lock.pid",
					     "/var/cache/dnf/download_lock.pid" };
	_cleanup_free_ char *mine = xasprintf("%d", (int)getpid());

	for (size_t i = 0; i < ARRAY_SIZE(LOCKS); i++) {
		struct error err = ERROR_INIT;

		put(LOCKS[i], mine);
		assert_int_equal(package_lock_wait(&ctx, &err), -EAGAIN);
		assert_says(err.message, "test_dnf (process ");
		assert_says(err.message, LOCKS[i]);
		put(LOCKS[i], "2147483646");
		must(package_lock_wait(&ctx, &must_err));
		put(LOCKS[i], "");
		must(package_lock_wait(&ctx, &must_err));
	}
}

/* rpm's is a record lock; a child holds it, as a process's own are never in its way. */
static void rpms_own_lock(void **state)
{
	static const char LOCK[] = "/usr/lib/sysimage/rpm/.rpm.lock";
	struct error err = ERROR_INIT;
	int ready[2];
	char byte = 0;
	pid_t pid;

	put(LOCK, "");
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

		byte = fcntl(open(real(LOCK), O_RDWR | O_CLOEXEC), F_SETLK, &lock) == 0;
		(void)!write(ready[1], &byte, 1);
		pause();
		_exit(0);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(byte, 1);
	assert_int_equal(dnf_install(&ctx, items(), &err), -EAGAIN);
	kill(pid, SIGKILL);
	assert_says(err.message, LOCK);
	assert_false(was_called("dnf"));
	close(ready[0]);
	close(ready[1]);
}

static void a_row_for_each_family(void **state)
{
	static char id[] = "slackware";
	const struct package_manager *manager = NULL;
	struct error err = ERROR_INIT;

	must(package_manager_of(&ctx, &manager, &must_err));
	assert_ptr_equal(manager->fetch, dnf_fetch);
	assert_null(manager->finish);
	os.packages = PACKAGES_APT;
	must(package_manager_of(&ctx, &manager, &must_err));
	assert_non_null(manager->finish);
	os.packages = PACKAGES_NONE;
	os.id = id;
	assert_int_equal(package_manager_of(&ctx, &manager, &err), -EOPNOTSUPP);
	assert_says(err.message, "'slackware'");
}

#define dnf_test(f) cmocka_unit_test_setup_teardown(f, setup, change_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		dnf_test(the_table),
		dnf_test(resolved_and_downloaded),
		dnf_test(old_metadata_is_refreshed),
		dnf_test(nothing_is_removed),
		dnf_test(the_engine_under_a_kubelet_stays),
		dnf_test(failures_in_one_line),
		dnf_test(who_else_would_go),
		dnf_test(again_after_a_cut),
		dnf_test(by_another_name),
		dnf_test(locks_by_process_id),
		dnf_test(rpms_own_lock),
		dnf_test(a_row_for_each_family),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
