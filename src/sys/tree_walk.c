#include "sys/tree_walk.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>

#include "sys/dir_names.h"

void tree_walk_release(struct tree_walk *walk)
{
	fd_closep(&walk->fd);
	strbuf_release(&walk->path);
	for (size_t i = 0; i < walk->depth; i++)
		strv_release(&walk->levels[i].names);
	free(walk->levels);
	*walk = TREE_WALK_INIT;
}

static int push(struct tree_walk *walk, int fd)
{
	_cleanup_(strv_release) struct strv names = STRV_INIT;
	struct stat st;
	int r = fstat(fd, &st) < 0 ? -errno : dir_names(fd, &names);

	if (r < 0)
		return r;
	if (walk->depth == walk->cap) {
		size_t cap = walk->cap ? walk->cap * 2 : 16;
		struct tree_level *levels = reallocarray(walk->levels, cap, sizeof(*levels));

		if (!levels)
			return -ENOMEM;
		walk->levels = levels;
		walk->cap = cap;
	}
	walk->levels[walk->depth++] = (struct tree_level){
		.names = names,
		.id = inode_id_of(&st),
		.path_len = walk->path.len,
	};
	names = STRV_INIT;
	return 0;
}

int tree_walk_open(struct tree_walk *walk, int top_fd)
{
	walk->fd = openat(top_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return walk->fd < 0 ? -errno : push(walk, walk->fd);
}

static struct tree_level *here(const struct tree_walk *walk)
{
	return &walk->levels[walk->depth - 1];
}

const char *tree_walk_next(struct tree_walk *walk)
{
	struct tree_level *level = here(walk);

	return level->next < level->names.len ? level->names.items[level->next++] : NULL;
}

const struct strv *tree_walk_names(const struct tree_walk *walk)
{
	return &here(walk)->names;
}

/* Before Linux 5.6 a mount of another file system is told by its device number alone. */
static int open_child_old(const struct tree_walk *walk, const char *name)
{
	_cleanup_fd_ int fd =
		openat(walk->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	return st.st_dev == here(walk)->id.dev ? TAKE_FD(fd) : -EXDEV;
}

static int open_child(const struct tree_walk *walk, const char *name)
{
	struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH,
	};
	int fd = (int)syscall(SYS_openat2, walk->fd, name, &how, sizeof(how));

	if (fd >= 0)
		return fd;
	/* EPERM: a seccomp filter that has never heard of it. */
	return errno == ENOSYS || errno == EPERM ? open_child_old(walk, name) : -errno;
}

int tree_walk_enter(struct tree_walk *walk, const char *name)
{
	_cleanup_fd_ int fd = open_child(walk, name);
	size_t len = walk->path.len;
	int r;

	if (fd < 0)
		return fd;
	if (len)
		strbuf_putc(&walk->path, '/');
	strbuf_puts(&walk->path, name);
	if (strbuf_failed(&walk->path))
		return -ENOMEM;
	r = push(walk, fd);
	if (r < 0) {
		walk->path.len = len;
		walk->path.data[len] = '\0';
		return r;
	}
	fd_closep(&walk->fd);
	walk->fd = TAKE_FD(fd);
	return 0;
}

int tree_walk_leave(struct tree_walk *walk, const char **ret_name)
{
	_cleanup_fd_ int fd = -EBADF;
	struct tree_level *parent;
	struct stat st;

	if (walk->depth <= 1)
		return 0;
	fd = openat(walk->fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	parent = &walk->levels[walk->depth - 2];
	if (!inode_id_equal(inode_id_of(&st), parent->id))
		return -ESTALE;
	strv_release(&here(walk)->names);
	walk->depth--;
	walk->path.len = parent->path_len;
	walk->path.data[walk->path.len] = '\0';
	fd_closep(&walk->fd);
	walk->fd = TAKE_FD(fd);
	if (ret_name)
		*ret_name = parent->names.items[parent->next - 1];
	return 1;
}

static size_t put_escaped(char *buf, size_t len, const char *s)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (len + 5 > TREE_WHERE_MAX)
			break;
		if (c > 0x20 && c < 0x7f && c != '\\' && c != '\'')
			buf[len++] = (char)c;
		else
			len += (size_t)snprintf(buf + len, TREE_WHERE_MAX - len, "\\x%02x", c);
	}
	buf[len] = '\0';
	return len;
}

const char *tree_walk_where(const struct tree_walk *walk, const char *name,
			    char buf[static TREE_WHERE_MAX])
{
	size_t len = put_escaped(buf, 0, strbuf_str(&walk->path));

	if (walk->path.len)
		len = put_escaped(buf, len, "/");
	(void)put_escaped(buf, len, name);
	return buf;
}
