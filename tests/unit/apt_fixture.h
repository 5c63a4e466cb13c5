/*
 * For the tests of packages: apt-get and dpkg of a rooted host. What they shall say is in files of
 * the root: `simulation` (of --simulate), `status.installed` and `status.purged` (what dpkg's
 * status becomes), `fail.VERB` (a complaint, and the verb fails; `once` in its first line: only
 * once).
 */
#ifndef TESTS_APT_FIXTURE_H
#define TESTS_APT_FIXTURE_H

#include "change_fixture.h"

#define STATUS "/var/lib/dpkg/status"
#define LIST   "/var/lib/apt/lists/deb.debian.org_debian_dists_bookworm_main_binary-amd64_Packages"

_maybe_ static void put_apt(void)
{
	put(LIST, "");
	put("/simulation", "");
	must(host_mkdirs(&host, "/etc", 0755, NULL, &must_err));
	if (!is_there(STATUS))
		put(STATUS, "");
	put_program(
		"apt-get",
		"cd \"$HOST_ROOT\"; env >environment; verb=; simulate=; download=\n"
		"for word; do case $word in --simulate) simulate=1;; --download-only) download=1;;\n"
		"  install|remove|purge|update) verb=$word;; esac; done\n"
		"[ $download ] && verb=download\n"
		"if [ $simulate ]; then verb=simulate; cat simulation; fi\n"
		"if [ -e fail.$verb ]; then cat fail.$verb >&2\n"
		"  grep -q once fail.$verb && rm fail.$verb; exit 100; fi\n"
		"case $verb in\n"
		"install) cp usr/sbin/policy-rc.d policy.seen\n"
		"  [ -e etc/docker/daemon.json ] && cp etc/docker/daemon.json daemon.seen\n"
		"  [ -e status.installed ] && cp status.installed var/lib/dpkg/status;;\n"
		"remove) mkdir -p var/lib/docker; echo rm >var/lib/docker/nuke-graph-directory.sh;;\n"
		"purge) [ -e var/lib/docker/nuke-graph-directory.sh ] && : >nuked\n"
		"  [ -e status.purged ] && cp status.purged var/lib/dpkg/status;;\n"
		"esac; exit 0");
	put_program("dpkg",
		    "cp \"$HOST_ROOT/usr/sbin/policy-rc.d\" \"$HOST_ROOT/policy.seen\"\n"
		    "[ -e \"$HOST_ROOT/fail.dpkg\" ] && { cat \"$HOST_ROOT/fail.dpkg\"; exit 1; }\n"
		    "exit 0");
	must(host_mkdirs(&host, "/usr/sbin", 0755, NULL, &must_err));
}

/* The line of the n-th call, from 0; "" when there were not so many. Good until the next. */
_maybe_ static const char *call(size_t n)
{
	static char line[2048];
	const char *p = text_of("/calls");

	while (*p && n--)
		p = strchrnul(p, '\n') + (*strchrnul(p, '\n') == '\n');
	(void)snprintf(line, sizeof(line), "%.*s", (int)strcspn(p, "\n"), p);
	return line;
}

_maybe_ static bool ends_with(const char *text, const char *tail)
{
	size_t n = strlen(text), m = strlen(tail);

	return n >= m && strcmp(text + n - m, tail) == 0;
}

#define assert_call(n, tail)                                            \
	do {                                                            \
		if (!ends_with(call(n), tail))                          \
			fail_msg("call %d is '%s'", (int)(n), call(n)); \
	} while (0)

#endif
