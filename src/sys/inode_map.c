#include "sys/inode_map.h"

#define FIRST_CAP 256

void inode_map_release(struct inode_map *map)
{
	free(map->slots);
	*map = INODE_MAP_INIT;
}

/* Fibonacci hashing: inode numbers come in runs. */
static size_t slot_of(struct inode_id key, size_t cap)
{
	uint64_t h = ((uint64_t)key.ino ^ ((uint64_t)key.dev << 40)) * 0x9e3779b97f4a7c15ULL;

	return (size_t)(h >> 20) & (cap - 1);
}

static struct inode_pair *find(struct inode_pair *slots, size_t cap, struct inode_id key)
{
	size_t i = slot_of(key, cap);

	while (slots[i].used && !inode_id_equal(slots[i].key, key))
		i = (i + 1) & (cap - 1);
	return &slots[i];
}

static int grow(struct inode_map *map)
{
	size_t cap = map->cap ? map->cap * 2 : FIRST_CAP;
	struct inode_pair *slots = calloc(cap, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	for (size_t i = 0; i < map->cap; i++) {
		if (map->slots[i].used)
			*find(slots, cap, map->slots[i].key) = map->slots[i];
	}
	free(map->slots);
	map->slots = slots;
	map->cap = cap;
	return 0;
}

int inode_map_add(struct inode_map *map, struct inode_id key, struct inode_id value,
		  struct inode_id *ret_value)
{
	struct inode_pair *pair;

	if (map->len * 2 >= map->cap && grow(map) < 0)
		return -ENOMEM;
	pair = find(map->slots, map->cap, key);
	if (pair->used) {
		if (ret_value)
			*ret_value = pair->value;
		return 0;
	}
	*pair = (struct inode_pair){ .key = key, .value = value, .used = true };
	map->len++;
	return 1;
}
