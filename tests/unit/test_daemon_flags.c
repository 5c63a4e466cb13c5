#include <setjmp.h>
#include <stdarg.h>

#include "step/daemon_flags.h"

#include <cmocka.h>

#define SHOWN(argv)                                                                             \
	"{ path=/usr/bin/dockerd ; argv[]=" argv " ; ignore_errors=no ; "                       \
	"start_time=[Mon 2024-10-14 10:00:00 UTC] ; stop_time=[n/a] ; pid=512 ; code=(null) ; " \
	"status=0/0 }"

static void parse(const char *text, struct daemon_flags *ret)
{
	struct error err = ERROR_INIT;

	if (daemon_flags_parse(text, ret, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(ret->names.len, ret->values.len);
}

static void one_flag_each(void **state)
{
	static const struct {
		const char *words, *member, *value;
	} TABLE[] = {
		{ "--bip=10.0.0.1/24", "bip", "10.0.0.1/24" },
		{ "--bip 10.0.0.1/24", "bip", "10.0.0.1/24" },
		{ "--live-restore", "live-restore", "true" },
		{ "--live-restore=false", "live-restore", "false" },
		{ "--live-restore --debug", "live-restore", "true" },
		{ "--log-opt=max-size=10m", "log-opts", "max-size=10m" },
		{ "--log-opt max-size=10m", "log-opts", "max-size=10m" },
		{ "--storage-opt dm.x=1", "storage-opts", "dm.x=1" },
		{ "--add-runtime sysbox-runc=/usr/bin/sysbox-runc", "runtimes",
		  "sysbox-runc=/usr/bin/sysbox-runc" },
		{ "--default-address-pool base=10.0.0.0/8,size=24", "default-address-pools",
		  "base=10.0.0.0/8,size=24" },
		{ "--feature containerd-snapshotter=true", "features",
		  "containerd-snapshotter=true" },
		{ "--label a=b", "labels", "a=b" },
		{ "-s overlay2", "storage-driver", "overlay2" },
		{ "-s=overlay2", "storage-driver", "overlay2" },
		{ "-soverlay2", "storage-driver", "overlay2" },
		{ "-g /data", "data-root", "/data" },
		{ "--graph=/data", "data-root", "/data" },
		{ "--data-root /data", "data-root", "/data" },
		{ "-b none", "bridge", "none" },
		{ "-b=none", "bridge", "none" },
		{ "-H fd://", "hosts", "fd://" },
		{ "-Hfd://", "hosts", "fd://" },
		{ "-Htcp://0.0.0.0:2375/?a=b", "hosts", "tcp://0.0.0.0:2375/?a=b" },
		{ "--host=unix:///run/docker.sock", "hosts", "unix:///run/docker.sock" },
		{ "-D", "debug", "true" },
		{ "-D --x", "debug", "true" },
		{ "-l debug", "l", "debug" },
		{ "--empty=", "empty", "" },
		{ "--last", "last", "true" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(TABLE); i++) {
		_cleanup_(daemon_flags_release) struct daemon_flags flags = { 0 };
		char line[256];
		const char *value;

		(void)snprintf(line, sizeof(line), "/usr/bin/dockerd %s", TABLE[i].words);
		parse(line, &flags);
		value = daemon_flags_find(&flags, TABLE[i].member);
		if (!value || strcmp(value, TABLE[i].value) != 0)
			fail_msg("'%s' gives %s = '%s'", TABLE[i].words, TABLE[i].member,
				 value ? value : "nothing");
	}
}

static void as_systemctl_shows_it(void **state)
{
	_cleanup_(daemon_flags_release) struct daemon_flags flags = { 0 };

	parse(SHOWN("/usr/bin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock"),
	      &flags);
	assert_int_equal(flags.names.len, 2);
	assert_string_equal(daemon_flags_find(&flags, "hosts"), "fd://");
	assert_string_equal(daemon_flags_find(&flags, "containerd"),
			    "/run/containerd/containerd.sock");
	assert_null(daemon_flags_find(&flags, "host"));
}

static void many_of_a_platform(void **state)
{
	static const char LINE[] = SHOWN(
		"/usr/bin/dockerd -p /var/run/docker.pid --iptables=false --ip-masq=false "
		"--log-level=warn --bip=169.254.123.1/24 --registry-mirror=https://mirror.gcr.io "
		"--log-driver=json-file --log-opt=max-size=10m --log-opt=max-file=5 "
		"--insecure-registry 10.0.0.0/8 --live-restore --storage-driver=overlay2 $DOCKER_OPTS");
	_cleanup_(daemon_flags_release) struct daemon_flags flags = { 0 };

	parse(LINE, &flags);
	assert_int_equal(flags.names.len, 12);
	assert_string_equal(daemon_flags_find(&flags, "bip"), "169.254.123.1/24");
	assert_string_equal(daemon_flags_find(&flags, "iptables"), "false");
	assert_string_equal(daemon_flags_find(&flags, "log-driver"), "json-file");
	assert_string_equal(daemon_flags_find(&flags, "log-opts"), "max-size=10m"); /* the first */
	assert_string_equal(daemon_flags_find(&flags, "insecure-registry"), "10.0.0.0/8");
	assert_string_equal(daemon_flags_find(&flags, "live-restore"), "true");
	assert_string_equal(daemon_flags_find(&flags, "storage-driver"), "overlay2");
	assert_null(daemon_flags_find(&flags, "$DOCKER_OPTS"));
}

static void without_flags(void **state)
{
	static const char *const TEXTS[] = { "",
					     " ",
					     "/usr/bin/dockerd",
					     SHOWN("/usr/bin/dockerd"),
					     "argv[]=",
					     "/usr/bin/dockerd - word",
					     "--not-the-program" };

	for (size_t i = 0; i < ARRAY_SIZE(TEXTS); i++) {
		_cleanup_(daemon_flags_release) struct daemon_flags flags = { 0 };

		parse(TEXTS[i], &flags);
		assert_int_equal(flags.names.len, 0);
		assert_null(daemon_flags_find(&flags, "bip"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_flag_each),
		cmocka_unit_test(as_systemctl_shows_it),
		cmocka_unit_test(many_of_a_platform),
		cmocka_unit_test(without_flags),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
