/*
 * Project quotas in memory, in the place of src/sys/quota.c: for what decides about budgets, on machines whose kernel
 * has no quotas. A test that includes this has all of quota.h from here.
 */
#ifndef QUOTA_FIXTURE_H
#define QUOTA_FIXTURE_H

#include "tree_fixture.h"

#include "sys/quota.h"

#define FAKE_MOST 64

static struct quota_usage fake_quotas[FAKE_MOST];
static size_t fake_len;
static uint32_t fake_broken; /* of this one nothing can be read */
static bool fake_deaf;	     /* limits are taken and not kept */
static void (*fake_after_get)(struct quota_usage *quota); /* somebody comes in between; NULL: nobody */

/* Set by group_setup(). */
_maybe_ static bool may;

_maybe_ static void need_mounts(void)
{
	if (!may) {
		print_message("skipped: root and mounts of our own are needed\n");
		skip();
	}
}

static struct fake_tag {
	ino_t inode;
	uint32_t project;
	bool inherit;
} fake_tags[FAKE_MOST];
static size_t fake_tags_len;

_maybe_ static void fake_reset(void)
{
	fake_len = fake_tags_len = 0;
	fake_broken = 0;
	fake_deaf = false;
	fake_after_get = NULL;
}

static struct quota_usage *fake_quota(uint32_t project)
{
	for (size_t i = 0; i < fake_len; i++) {
		if (fake_quotas[i].project == project)
			return &fake_quotas[i];
	}
	assert_true(fake_len < FAKE_MOST);
	fake_quotas[fake_len] = (struct quota_usage){ .project = project };
	return &fake_quotas[fake_len++];
}

static struct fake_tag *fake_tag_of(int fd)
{
	struct stat st;

	assert_ok(fstat(fd, &st));
	for (size_t i = 0; i < fake_tags_len; i++) {
		if (fake_tags[i].inode == st.st_ino)
			return &fake_tags[i];
	}
	assert_true(fake_tags_len < FAKE_MOST);
	fake_tags[fake_tags_len] = (struct fake_tag){ .inode = st.st_ino };
	return &fake_tags[fake_tags_len++];
}

int quota_get_state(int dir_fd, struct quota_state *ret, struct error *err)
{
	(void)dir_fd;
	(void)err;
	*ret = (struct quota_state){ true, true };
	return 0;
}

int quota_enforce(int dir_fd, struct error *err)
{
	(void)dir_fd;
	(void)err;
	return 0;
}

int quota_get(int dir_fd, uint32_t project, struct quota_usage *ret, struct error *err)
{
	(void)dir_fd;
	if (project == fake_broken && project)
		return error_set(err, EIO, "project %u cannot be read", project);
	*ret = *fake_quota(project);
	if (fake_after_get)
		fake_after_get(fake_quota(project));
	return 0;
}

int quota_set_limit(int dir_fd, uint32_t project, uint64_t bytes, uint64_t inodes, struct error *err)
{
	struct quota_usage *quota = fake_quota(project);

	(void)dir_fd;
	(void)err;
	if (fake_deaf)
		return 0;
	quota->hard = quota->soft = (bytes + 511) / 512 * 512;
	quota->inode_hard = quota->inode_soft = inodes;
	return 0;
}

int quota_next(int dir_fd, uint32_t from, struct quota_usage *ret, struct error *err)
{
	(void)dir_fd;
	(void)from;
	(void)ret;
	(void)err;
	return -ENOENT;
}

int quota_get_project(int fd, uint32_t *ret_project, bool *ret_inherit, struct error *err)
{
	const struct fake_tag *tag = fake_tag_of(fd);

	(void)err;
	*ret_project = tag->project;
	*ret_inherit = tag->inherit;
	return 0;
}

int quota_set_project(int fd, uint32_t project, bool inherit, struct error *err)
{
	struct fake_tag *tag = fake_tag_of(fd);

	(void)err;
	tag->project = project;
	tag->inherit = inherit;
	return 0;
}

_maybe_ static uint32_t fake_project_at(const char *path)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_ok(fd);
	return fake_tag_of(fd)->project;
}

_maybe_ static void fake_tag_at(const char *path, uint32_t project, bool inherit)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_ok(fd);
	assert_int_equal(quota_set_project(fd, project, inherit, NULL), 0);
}

#endif
