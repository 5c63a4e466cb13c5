#include "sys/tree_walk.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>

#include "sys/dir_names.h"

#define BUFFER_SIZE 32768
#define FIRST_SIZE  2048 /* read at first: what was read is read again after each directory below */
#define PATH_KEPT   65536 /* bytes of a path that a tenant made: for messages */

struct dir_buffer {
	size_t at, filled, size;
	int error;
	_Alignas(struct dirent64) char data[BUFFER_SIZE];
};

void tree_walk_release(struct tree_walk *walk)
{
	fd_closep(&walk->fd);
	strbuf_release(&walk->path);
	for (size_t i = 0; i < walk->depth; i++)
		strv_release(&walk->levels[i].names);
	free(walk->levels);
	free(walk->buffer);
	*walk = TREE_WALK_INIT;
}

static void forget_buffer(struct tree_walk *walk)
{
	if (!walk->buffer)
		return;
	walk->buffer->at = walk->buffer->filled = 0;
	walk->buffer->size = FIRST_SIZE;
}

static int push(struct tree_walk *walk, int fd)
{
	_cleanup_(strv_release) struct strv names = STRV_INIT;
	struct stat st;
	int r = fstat(fd, &st) < 0 ? -errno : 0;

	if (r == 0 && !walk->buffer)
		r = dir_names(fd, &names);
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
	forget_buffer(walk);
	return 0;
}

int tree_walk_open_unsorted(struct tree_walk *walk, int top_fd)
{
	walk->buffer = malloc(sizeof(*walk->buffer));
	if (!walk->buffer)
		return -ENOMEM;
	walk->buffer->error = 0;
	return tree_walk_open(walk, top_fd);
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

static bool fill(struct tree_walk *walk)
{
	struct dir_buffer *buffer = walk->buffer;
	ssize_t n = buffer->error ? 0 : getdents64(walk->fd, buffer->data, buffer->size);

	buffer->at = buffer->filled = 0;
	buffer->size = MIN_OF(buffer->size * 2, sizeof(buffer->data));
	/* ENOENT: it was removed while it was read. */
	if (n < 0 && errno != ENOENT)
		buffer->error = -errno;
	if (n > 0)
		buffer->filled = (size_t)n;
	return n > 0;
}

static const char *next_of_buffer(struct tree_walk *walk)
{
	struct dir_buffer *buffer = walk->buffer;
	struct tree_level *level = here(walk);

	while (buffer->at < buffer->filled || fill(walk)) {
		const struct dirent64 *entry = (const struct dirent64 *)(const void *)(buffer->data + buffer->at);

		buffer->at += entry->d_reclen;
		level->resume = entry->d_off;
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		level->told++;
		return entry->d_name;
	}
	return NULL;
}

/* Opened anew: ext4 (6.18) goes on telling nothing where it is set back to 0 after it was first read at its end. */
bool tree_walk_again(struct tree_walk *walk)
{
	struct tree_level *level = here(walk);
	int fd;

	if (!level->told || walk->buffer->error)
		return false;
	level->told = 0;
	forget_buffer(walk);
	fd = openat(walk->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		walk->buffer->error = -errno;
		return false;
	}
	fd_closep(&walk->fd);
	walk->fd = fd;
	return true;
}

const char *tree_walk_next(struct tree_walk *walk)
{
	struct tree_level *level = here(walk);

	if (walk->buffer)
		return next_of_buffer(walk);
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
	if (!walk->buffer || len < PATH_KEPT) {
		if (len)
			strbuf_putc(&walk->path, '/');
		strbuf_puts(&walk->path, name);
	}
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

int tree_walk_leave(struct tree_walk *walk)
{
	_cleanup_fd_ int fd = -EBADF;
	struct tree_level *parent;
	struct stat st;

	if (walk->buffer && walk->buffer->error)
		return walk->buffer->error;
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
	forget_buffer(walk);
	return walk->buffer && lseek(walk->fd, parent->resume, SEEK_SET) < 0 ? -errno : 1;
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
