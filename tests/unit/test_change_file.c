#include "change_fixture.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include "change/file_state.h"

#define TARGET "/etc/systemd/system/a.service.d/50-berth.conf"

static const struct change *plan_text(const char *path, const char *text, mode_t mode)
{
	int r = plan_file(&plan, &ctx, path, text, mode, "because", &must_err);

	if (r < 0)
		fail_msg("%s", must_err.message);
	return r ? &plan.items[plan.len - 1] : NULL;
}

static void made_where_nothing_was(void **state)
{
	const struct change *c = plan_text(TARGET, "[Unit]\n", 0644);

	assert_non_null(c);
	assert_string_equal(c->step, "test");
	assert_string_equal(c->why, "because");
	assert_string_equal(described(c), "+[Unit]\n");
	make_it_so(c);
	assert_text(TARGET, "[Unit]\n");
	assert_int_equal(mode_of(TARGET), 0644);
	assert_true(ctx.reload_needed);
	assert_null(plan_text(TARGET, "[Unit]\n", 0644));
	assert_int_equal(undo_it(c), UNDO_DONE);
	assert_false(is_there("/etc")); /* the parents were made for it */
	assert_int_equal(undo_it(c), UNDO_NOTHING);
}

static void the_old_one_comes_back(void **state)
{
	const struct change *c;

	put_bytes("/etc/x", "old\0text", 8, 0600);
	c = plan_text("/etc/x", "new\n", 0644);
	assert_says(described(c), "  mode 0600 -> 0644\n");
	make_it_so(c);
	assert_false(ctx.reload_needed);
	assert_text("/etc/x", "new\n");
	assert_int_equal(undo_it(c), UNDO_DONE);
	assert_memory_equal(text_of("/etc/x"), "old\0text", 8);
	assert_int_equal(mode_of("/etc/x"), 0600);
	assert_int_equal(undo_it(c), UNDO_NOTHING);
}

static void a_mode_alone_is_a_difference(void **state)
{
	const struct change *c;

	put_bytes("/etc/x", "same\n", 5, 0600);
	c = plan_text("/etc/x", "same\n", 0640);
	assert_non_null(c);
	assert_string_equal(described(c), "  mode 0600 -> 0640\n");
	make_it_so(c);
	assert_int_equal(mode_of("/etc/x"), 0640);
	assert_int_equal(undo_it(c), UNDO_DONE);
	assert_int_equal(mode_of("/etc/x"), 0600);
}

static void edited_since_is_left(void **state)
{
	const struct change *c;

	put("/etc/x", "old\n");
	c = plan_text("/etc/x", "new\n", 0644);
	make_it_so(c);
	put("/etc/x", "new, and theirs\n");
	assert_int_equal(undo_it(c), UNDO_LEFT);
	assert_string_equal(strbuf_str(&why),
			    "'/etc/x' was changed since berth wrote it: left as it is");
	assert_text("/etc/x", "new, and theirs\n");
	assert_int_equal(unlink(real("/etc/x")), 0);
	assert_int_equal(undo_it(c), UNDO_LEFT);
	assert_says(strbuf_str(&why), "was removed since");
	assert_int_equal(symlink("/elsewhere", real("/etc/x")), 0);
	assert_int_equal(undo_it(c), UNDO_LEFT);
	assert_says(strbuf_str(&why), "a symbolic link");
}

static void put_back_by_hand_is_nothing(void **state)
{
	const struct change *c;

	put("/etc/x", "old\n");
	c = plan_text("/etc/x", "new\n", 0644);
	make_it_so(c);
	put("/etc/x", "old\n");
	assert_int_equal(undo_it(c), UNDO_NOTHING);
	assert_text("/etc/x", "old\n");
}

static void others_files_keep_the_directory(void **state)
{
	const struct change *c = plan_text("/etc/new/dir/x", "x", 0644);

	make_it_so(c);
	put("/etc/new/theirs", "");
	assert_int_equal(undo_it(c), UNDO_DONE);
	assert_false(is_there("/etc/new/dir"));
	assert_true(is_there("/etc/new/theirs"));
}

static void empty_directories_of_before_stay(void **state)
{
	const struct change *c;

	must(host_mkdirs(&host, "/etc/theirs", 0700, NULL, &must_err));
	c = plan_text("/etc/theirs/ours/x", "x", 0644);
	make_it_so(c);
	assert_int_equal(undo_it(c), UNDO_DONE);
	assert_false(is_there("/etc/theirs/ours"));
	assert_int_equal(mode_of("/etc/theirs"), 0700);
}

/* Begun, not known to be finished: what was wanted stands for what was left. */
static void undo_of_a_cut_off_change(void **state)
{
	const struct change *c;

	put("/etc/x", "old\n");
	c = plan_text("/etc/x", "new\n", 0644);
	make_it_so(c);
	json_decref(TAKE_PTR(after));
	assert_int_equal(undo_it(c), UNDO_DONE);
	assert_text("/etc/x", "old\n");
	assert_int_equal(undo_it(c), UNDO_NOTHING);
}

static void only_regular_files_are_touched(void **state)
{
	struct error err = ERROR_INIT;

	put("/target", "t");
	assert_int_equal(symlink("target", real("/link")), 0);
	assert_int_equal(plan_file(&plan, &ctx, "/link", "x", 0644, NULL, &err), -EINVAL);
	assert_says(err.message, "'/link' is a symbolic link: berth only writes regular files");
	must(host_mkdirs(&host, "/dir", 0755, NULL, &must_err));
	assert_int_equal(plan_file(&plan, &ctx, "/dir", "x", 0644, NULL, &err), -EINVAL);
	assert_says(err.message, "'/dir' is a directory");
	assert_int_equal(mkfifo(real("/fifo"), 0600), 0);
	assert_int_equal(plan_file(&plan, &ctx, "/fifo", "x", 0644, NULL, &err), -EINVAL);
	assert_says(err.message, "not a regular file");
	assert_int_equal(plan.len, 0);
	assert_text("/target", "t");
}

static void a_lost_backup_is_an_error(void **state)
{
	const struct change *c;
	enum undo_outcome outcome;
	struct error err = ERROR_INIT;
	_cleanup_free_ char *path = NULL;

	put("/etc/x", "old\n");
	c = plan_text("/etc/x", "new\n", 0644);
	make_it_so(c);
	path = xasprintf("%s/%s", BACKUP_DIR, json_get_string(before, "sha256"));
	put(path, "damaged\n");
	assert_int_equal(try_undo(c, &outcome, &err), -EBADMSG);
	assert_text("/etc/x", "new\n");
	assert_int_equal(unlink(real(path)), 0);
	assert_int_equal(try_undo(c, &outcome, &err), -ENOENT);
	assert_text("/etc/x", "new\n");
}

/* 0, or not where the file system knows no such flags, or may not set them. */
static int set_flags(const char *path, int flags)
{
	_cleanup_fd_ int fd = open(real(path), O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -1 : ioctl(fd, FS_IOC_SETFLAGS, &flags);
}

static void what_cannot_be_written_is_refused_before(void **state)
{
	const struct change *c;
	struct error err = ERROR_INIT;

	put("/etc/x", "old\n");
	c = plan_text("/etc/x", "new\n", 0644);
	must(c->kind->prepare(&ctx, c, &must_err));
	if (set_flags("/etc/x", FS_IMMUTABLE_FL) < 0)
		skip();
	assert_int_equal(c->kind->prepare(&ctx, c, &err), -EPERM);
	assert_says(err.message, "'/etc/x' is to be written, and somebody has made it immutable");
	assert_int_equal(set_flags("/etc/x", 0), 0);
	assert_int_equal(set_flags("/etc", FS_IMMUTABLE_FL), 0);
	assert_int_equal(c->kind->prepare(&ctx, c, &err), -EPERM);
	assert_says(err.message, "its folder immutable");
	assert_int_equal(set_flags("/etc", 0), 0);
	must(c->kind->prepare(&ctx, c, &must_err));
}

static void states_of_files(void **state)
{
	_cleanup_(file_state_release) struct file_state now = FILE_STATE_INIT;

	must(file_state_read(&host, "/no/x", &now, &must_err));
	assert_false(now.exists);
	put_bytes("/x", "abc", 3, 0751);
	must(file_state_read(&host, "/x", &now, &must_err));
	assert_true(now.exists);
	assert_int_equal(now.len, 3);
	assert_int_equal(now.mode, 0751);
	assert_string_equal(now.sha256,
			    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	file_state_release(&now);
	must(file_state_read(&host, "/x/y", &now, &must_err));
	assert_false(now.exists);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		change_test(made_where_nothing_was),
		change_test(the_old_one_comes_back),
		change_test(a_mode_alone_is_a_difference),
		change_test(edited_since_is_left),
		change_test(put_back_by_hand_is_nothing),
		change_test(others_files_keep_the_directory),
		change_test(empty_directories_of_before_stay),
		change_test(undo_of_a_cut_off_change),
		change_test(only_regular_files_are_touched),
		change_test(a_lost_backup_is_an_error),
		change_test(what_cannot_be_written_is_refused_before),
		change_test(states_of_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
