#include "deb_fixture.h"

#include <sys/wait.h>

#include "change/manifest.h"
#include "change/unpack.h"

#define MANIFEST "/var/lib/berth/sysbox-ce.manifest"
#define RUNC	 "/usr/bin/sysbox-runc"
#define UNIT	 "/usr/lib/systemd/system/sysbox.service"

static void make_deb(const char *content)
{
	deb_add("usr/bin/sysbox-runc", content, 0755);
	deb_add("lib/systemd/system/sysbox.service", "[Unit]\n", 0644);
	deb_add("usr/lib/sysbox/deep/data", "data", 0644);
	deb_add("etc/sysbox.conf", "setting\n", 0644);
	deb_write("data.tar");
}

static const struct change *planned(const char *version, const char *sha256)
{
	const struct package_file deb = {
		.package = "sysbox-ce",
		.version = version,
		.url = "",
		.file = DEB,
		.sha256 = sha256,
	};

	plan_release(&plan);
	must(plan_unpack(&plan, &ctx, &deb, "for tests", &must_err));
	return plan_find(&plan, &change_unpack, "sysbox-ce");
}

static const struct change *installed(const char *version)
{
	const struct change *c = planned(version, "");

	assert_non_null(c);
	must(c->kind->prepare(&ctx, c, &must_err));
	make_it_so(c);
	return c;
}

static void put_in_place_and_taken_away(void **state)
{
	const struct change *c;

	make_deb("program");
	c = planned("0.7.1", "");
	assert_string_equal(described(c), "+ sysbox-ce 0.7.1 from /root/s.deb (no SHA-256 given)\n");
	must(c->kind->prepare(&ctx, c, &must_err));
	assert_false(is_there(RUNC));
	make_it_so(c);
	assert_text(RUNC, "program");
	assert_int_equal(mode_of(RUNC), 0755);
	assert_text(UNIT, "[Unit]\n");
	assert_text("/usr/lib/sysbox/deep/data", "data");
	assert_text("/etc/subuid", "sysbox:100000:65536\n");
	assert_text("/etc/subgid", "sysbox:100000:65536\n");
	assert_true(ctx.reload_needed);
	assert_false(is_there("/var/lib/berth/cache/unpacked"));
	assert_int_equal(json_array_size(json_object_get(after, "files")), 4);
	assert_null(planned("0.7.1", ""));
	c = planned("0.7.2", "");
	assert_non_null(c);
	must(host_mkdirs(&host, "/var/lib/sysboxfs", 0755, NULL, &must_err));
	assert_int_equal(undo_it(c), UNDO_DONE);
	assert_false(is_there(RUNC) || is_there(UNIT) || is_there("/etc/sysbox.conf"));
	assert_false(is_there("/usr/lib/sysbox") || is_there(MANIFEST) || is_there("/var/lib/sysboxfs"));
	assert_true(is_there("/usr/lib/systemd/system"));
	assert_text("/etc/subuid", "");
	assert_int_equal(undo_it(c), UNDO_NOTHING);
}

static void what_was_there_stays(void **state)
{
	const struct change *c;

	put("/etc/subuid", "sysbox:300000:65536\n");
	put("/etc/subgid", "sysbox:300000:65536\n");
	put("/etc/sysbox.conf", "the owner's\n");
	must(host_mkdirs(&host, "/var/lib/sysbox", 0755, NULL, &must_err));
	make_deb("program");
	c = installed("0.7.1");
	assert_text("/etc/sysbox.conf", "the owner's\n");
	assert_text("/etc/subuid", "sysbox:300000:65536\n");
	assert_int_equal(undo_it(c), UNDO_LEFT);
	assert_says(strbuf_str(&why), "'/etc/sysbox.conf' was changed since");
	assert_text("/etc/sysbox.conf", "the owner's\n");
	assert_text("/etc/subuid", "sysbox:300000:65536\n");
	assert_true(is_there("/var/lib/sysbox"));
	assert_false(is_there(RUNC));
}

static void edited_since(void **state)
{
	const struct change *c;

	make_deb("program");
	c = installed("0.7.1");
	put(RUNC, "somebody else's");
	assert_int_equal(undo_it(c), UNDO_LEFT);
	assert_string_equal(strbuf_str(&why), "'/usr/bin/sysbox-runc' was changed since berth put it "
					      "there: left as it is");
	assert_text(RUNC, "somebody else's");
	assert_false(is_there(UNIT));
}

static void damage_is_seen(void **state)
{
	struct error err = ERROR_INIT;
	const struct change *c;

	make_deb("program");
	(void)installed("0.7.1");
	assert_int_equal(unlink(real(UNIT)), 0);
	c = planned("0.7.1", "");
	assert_non_null(c);
	must(c->kind->prepare(&ctx, c, &must_err));
	make_it_so(c);
	assert_text(UNIT, "[Unit]\n");
	put("/etc/sysbox.conf", "edited, as settings are");
	assert_null(planned("0.7.1", ""));
	put(RUNC, "damaged");
	c = planned("0.7.1", "");
	assert_non_null(c);
	assert_int_equal(c->kind->prepare(&ctx, c, &err), -EEXIST);
	assert_says(err.message, "'/usr/bin/sysbox-runc' is there already and is not what berth put there");
	assert_int_equal(unlink(real(RUNC)), 0);
	assert_int_equal(symlink("/bin/sh", real(RUNC)), 0);
	assert_int_equal(change_unpack.prepare(&ctx, c, &err), -EINVAL);
	assert_says(err.message, "'/usr/bin/sysbox-runc' is not a regular file");
}

static void nothing_of_others_is_replaced(void **state)
{
	struct error err = ERROR_INIT;
	const struct change *c;

	put(RUNC, "theirs");
	make_deb("program");
	c = planned("0.7.1", "");
	assert_int_equal(c->kind->prepare(&ctx, c, &err), -EEXIST);
	must(c->kind->capture(&ctx, c, &before, &must_err));
	assert_int_equal(c->kind->apply(&ctx, c, before, &after, &err), -EEXIST);
	assert_text(RUNC, "theirs");
	assert_false(is_there(UNIT) || is_there(MANIFEST));
}

/* One version takes another's place: its own files go, the shared ones are replaced. */
static void another_version(void **state)
{
	_cleanup_json_ json_t *first = NULL;
	enum undo_outcome outcome;
	const struct change *c;

	make_deb("old");
	(void)installed("0.7.0");
	first = json_incref(after);
	deb_add("usr/bin/sysbox-runc", "new", 0755);
	deb_add("usr/bin/sysbox-more", "more", 0755);
	deb_write("data.tar");
	c = installed("0.7.1");
	assert_text(RUNC, "new");
	assert_false(is_there(UNIT));
	assert_int_equal(json_array_size(json_object_get(after, "files")), 2);
	assert_int_equal(undo_it(c), UNDO_DONE);
	assert_false(is_there(RUNC) || is_there("/usr/bin/sysbox-more"));
	assert_false(is_there("/usr/lib/sysbox"));
	/* The earlier record's turn comes then. */
	json_decref(TAKE_PTR(after));
	after = json_incref(first);
	must(try_undo(c, &outcome, &must_err));
	assert_int_equal(outcome, UNDO_NOTHING);
}

/* Points this process has passed by itself are counted in its children: each adds a line here. */
static char trace[] = "/tmp/berth-trace-XXXXXX";

static size_t passed(void)
{
	_cleanup_free_ char *text = NULL;
	size_t n = 0;

	assert_int_equal(file_read_at(AT_FDCWD, trace, 1 << 20, &text, NULL), 0);
	for (const char *p = text; *p; p++)
		n += *p == '\n';
	return n;
}

/* The run ends at a fault point of a child, wherever: forward again, or back. */
static bool cut_at(const struct change *c, unsigned point)
{
	_cleanup_free_ char *text = xasprintf("%zu", passed() + point);
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		struct error err = ERROR_INIT;
		json_t *left = NULL;
		int r;

		setenv("BERTH_FAULT_AT", text, 1);
		unsetenv("BERTH_FAULT_TRACE");
		r = c->kind->prepare(&ctx, c, &err);
		_exit(r < 0 || c->kind->apply(&ctx, c, before, &left, &err) < 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 137);
	return WEXITSTATUS(status) == 137;
}

static void cut_off_anywhere(void **state)
{
	const struct change *c;
	unsigned point = 1;

	make_deb("program");
	c = planned("0.7.1", "");
	for (bool cut = true; cut; point++) {
		forget_change();
		must(c->kind->capture(&ctx, c, &before, &must_err));
		cut = cut_at(c, point);
		if (point & 1) {
			must(c->kind->prepare(&ctx, c, &must_err));
			must(c->kind->apply(&ctx, c, before, &after, &must_err));
			assert_int_equal(c->kind->holds(&ctx, c, &must_err), 1);
			assert_text(RUNC, "program");
			assert_false(is_there("/var/lib/berth/cache/unpacked"));
			json_decref(TAKE_PTR(after));
		}
		(void)undo_it(c);
		assert_false(is_there(RUNC) || is_there("/usr/bin/.sysbox-runc.berth-tmp"));
		assert_false(is_there(UNIT) || is_there("/usr/lib/sysbox") || is_there(MANIFEST));
		assert_text("/etc/subuid", "");
		assert_text("/etc/subgid", "");
	}
	assert_true(point > 20);
}

static void the_digest_counts(void **state)
{
	struct error err = ERROR_INIT;
	const struct change *c;
	char *wrong = strdup("04ca894ae0b53f0fa54eaacc173ce40363c9a95ea5450f773716a84ef650a69b");

	make_deb("program");
	c = planned("0.7.1", wrong);
	assert_int_equal(c->kind->prepare(&ctx, c, &err), -EBADMSG);
	assert_says(err.message, "has the SHA-256");
	(void)installed("0.7.1");
	assert_non_null(planned("0.7.1", wrong)); /* the same version of another package */
	free(wrong);
}

/* tar comes with the packages: what is wrong with the package is found out then. */
static void without_tar_yet(void **state)
{
	struct error err = ERROR_INIT;
	const struct change *c;

	assert_int_equal(unlink(real("/usr/bin/tar")), 0);
	make_deb("program");
	c = planned("0.7.1", "");
	must(c->kind->prepare(&ctx, c, &must_err));
	assert_false(is_there("/var/lib/berth/cache/unpacked"));
	must(c->kind->capture(&ctx, c, &before, &must_err));
	assert_int_equal(c->kind->apply(&ctx, c, before, &after, &err), -ENOENT);
	put_program("tar", "exec /bin/tar \"$@\"");
	make_it_so(c);
	put(DEB, "half a package");
	assert_int_equal(c->kind->prepare(&ctx, c, &err), -EBADMSG);
}

static void a_manifest_that_is_none(void **state)
{
	_cleanup_json_ json_t *manifest = NULL;
	struct error err = ERROR_INIT;

	must(manifest_read(&host, "sysbox-ce", &manifest, &must_err));
	assert_null(manifest);
	must(manifest_remove(&host, "sysbox-ce", &must_err));
	put(MANIFEST, "{");
	assert_true(manifest_read(&host, "sysbox-ce", &manifest, &err) < 0);
	assert_says(err.message, MANIFEST);
	put(MANIFEST, "{\"complete\": true, \"version\": \"0.7.1\", \"files\": [{}]}");
	make_deb("program");
	assert_non_null(planned("0.7.1", ""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		deb_test(put_in_place_and_taken_away), deb_test(what_was_there_stays),
		deb_test(edited_since),		       deb_test(damage_is_seen),
		deb_test(nothing_of_others_is_replaced), deb_test(another_version),
		deb_test(cut_off_anywhere),	       deb_test(the_digest_counts),
		deb_test(without_tar_yet),	       deb_test(a_manifest_that_is_none),
	};
	int fd = mkstemp(trace), failed;

	if (fd < 0 || setenv("BERTH_FAULT_TRACE", trace, 1) < 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	(void)close(fd);
	(void)unlink(trace);
	return failed;
}
