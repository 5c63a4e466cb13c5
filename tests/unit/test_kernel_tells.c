/* What the kernel tells by descriptors: ends of processes, changes of mounts, quota warnings. */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/quota.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "sys/dquot_events.h"
#include "sys/mount_watch.h"
#include "sys/pidfd.h"

static bool readable(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms) == 1;
}

static void the_end_of_a_process(void **state)
{
	char name[16];
	char seen;
	pid_t pid = fork();
	int fd;

	(void)state;
	if (pid == 0) {
		for (;;)
			(void)pause();
	}
	assert_true(pid > 0);
	fd = pidfd_open_process(pid);
	assert_true(fd >= 0);
	assert_false(readable(fd, 0));
	assert_int_equal(process_state(getpid(), &seen), 0);
	assert_int_equal(seen, 'R');
	assert_int_equal(pidfd_kill(fd, SIGSTOP), 0);
	for (int i = 0; i < 1000 && (process_state(pid, &seen) < 0 || seen != 'T'); i++)
		(void)usleep(10000);
	assert_int_equal(seen, 'T');
	assert_int_equal(process_name(pid, name), 0);
	assert_string_equal(name, "test_kernel_tel"); /* 15 characters */
	assert_int_equal(pidfd_kill(fd, SIGKILL), 0);
	assert_true(readable(fd, 10000));
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(pidfd_kill(fd, SIGKILL), -ESRCH);
	assert_int_equal(pidfd_open_process(pid), -ESRCH);
	assert_int_equal(process_state(pid, &seen), -ESRCH);
	(void)close(fd);
}

/* In a mount namespace of its own; 77: there can be none here. */
static int mounts_in_child(void)
{
	struct mount_watch watch;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return 77;
	if (mount_watch_open(&watch, NULL) < 0 || readable(watch.fd, 0))
		return 1;
	for (int i = 0; i < 2; i++) {
		if (mount("none", "/tmp", "tmpfs", 0, NULL) < 0)
			return 77;
		if (!readable(watch.fd, 10000))
			return 2;
		mount_watch_take(&watch);
		if (readable(watch.fd, 0))
			return 3;
		if (umount("/tmp") < 0 || !readable(watch.fd, 10000))
			return 4;
		mount_watch_take(&watch);
	}
	mount_watch_close(&watch);
	return 0;
}

static void a_change_of_mounts(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	if (pid == 0)
		_exit(mounts_in_child());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77) {
		print_message("skipped: a mount namespace of its own cannot be made here\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- quota warnings ---- */

struct message {
	_Alignas(struct nlmsghdr) char data[512];
	size_t len;
};

static void add_number(struct message *m, uint16_t type, const void *value, size_t len)
{
	struct nlattr attr = { .nla_len = (uint16_t)(NLA_HDRLEN + len), .nla_type = type };

	memcpy(m->data + m->len, &attr, sizeof(attr));
	memcpy(m->data + m->len + NLA_HDRLEN, value, len);
	m->len += NLA_ALIGN(NLA_HDRLEN + len);
}

/* As fs/quota/netlink.c sends it. */
static void add_warning(struct message *m, uint32_t type, uint64_t id, uint32_t warning)
{
	const uint32_t major = 7, minor = 3;
	const size_t start = m->len;
	struct nlmsghdr head = { .nlmsg_type = 28 };

	m->len += NLMSG_HDRLEN + GENL_HDRLEN;
	add_number(m, QUOTA_NL_A_QTYPE, &type, sizeof(type));
	add_number(m, QUOTA_NL_A_EXCESS_ID, &id, sizeof(id));
	add_number(m, QUOTA_NL_A_WARNING, &warning, sizeof(warning));
	add_number(m, QUOTA_NL_A_DEV_MAJOR, &major, sizeof(major));
	add_number(m, QUOTA_NL_A_DEV_MINOR, &minor, sizeof(minor));
	head.nlmsg_len = (uint32_t)(m->len - start);
	memcpy(m->data + start, &head, sizeof(head));
}

static void warnings_about_projects(void **state)
{
	struct message m = { 0 };
	struct dquot_event events[4];

	(void)state;
	add_warning(&m, 2, 1002, QUOTA_NL_BHARDWARN);
	assert_int_equal(dquot_events_parse(m.data, m.len, events, 4), 1);
	assert_int_equal(events[0].project, 1002);
	assert_true(events[0].hard);
	assert_false(events[0].inodes);
	assert_int_equal(events[0].device_major, 7);
	assert_int_equal(events[0].device_minor, 3);
	add_warning(&m, 2, 1003, QUOTA_NL_ISOFTWARN);
	add_warning(&m, 0, 1004, QUOTA_NL_BHARDWARN); /* a user's */
	add_warning(&m, 2, 1005, QUOTA_NL_BHARDBELOW);
	assert_int_equal(dquot_events_parse(m.data, m.len, events, 4), 2);
	assert_int_equal(events[1].project, 1003);
	assert_false(events[1].hard);
	assert_true(events[1].inodes);
	assert_int_equal(dquot_events_parse(m.data, m.len, events, 1), 1);
	/* Cut anywhere. */
	for (size_t len = 0; len < m.len; len++)
		assert_true(dquot_events_parse(m.data, len, events, 4) <= 2);
}

static void the_kernels_family(void **state)
{
	struct error err = ERROR_INIT;
	struct dquot_event event;
	int fd, r = dquot_events_open(&fd, &err);

	(void)state;
	if (r < 0) {
		print_message("skipped: %s\n", err.message);
		skip();
	}
	assert_int_equal(dquot_events_read(fd, &event, 1), 0);
	(void)close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_end_of_a_process),
		cmocka_unit_test(a_change_of_mounts),
		cmocka_unit_test(warnings_about_projects),
		cmocka_unit_test(the_kernels_family),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
