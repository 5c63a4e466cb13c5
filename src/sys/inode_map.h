/*
 * From one inode to another: which files of a tree with more than one name were met already.
 *
 * Keys and values are (device, inode) pairs. Grows as needed; owned by the caller.
 */
#ifndef SYS_INODE_MAP_H
#define SYS_INODE_MAP_H

#include <sys/stat.h>

#include "base/macros.h"

struct inode_id {
	dev_t dev;
	ino_t ino;
};

struct inode_pair {
	struct inode_id key, value;
	bool used;
};

struct inode_map {
	struct inode_pair *slots; /* a power of two of them, NULL while empty */
	size_t cap;
	size_t len;
};

#define INODE_MAP_INIT ((struct inode_map){ 0 })
void inode_map_release(struct inode_map *map);

static inline struct inode_id inode_id_of(const struct stat *st)
{
	return (struct inode_id){ .dev = st->st_dev, .ino = st->st_ino };
}

static inline bool inode_id_equal(struct inode_id a, struct inode_id b)
{
	return a.dev == b.dev && a.ino == b.ino;
}

/* 1: it was put in; 0: it is there already, *ret_value (may be NULL) says with which value;
 * -ENOMEM. */
int inode_map_add(struct inode_map *map, struct inode_id key, struct inode_id value,
		  struct inode_id *ret_value);

#endif
