/*
 * What Docker keeps of a container in its own files, <data root>/containers/<id>/.
 *
 * Read and not asked for: dockerd waits for the runtime while a container starts, and a runtime that
 * waited for dockerd would hang with it; and these can be read when dockerd is down.
 */
#ifndef SANDBOX_DOCKER_FILES_H
#define SANDBOX_DOCKER_FILES_H

#include "base/error.h"

struct docker_files {
	char *name;  /* without the slash in front */
	char *disk;  /* the label berth.dev/disk, or NULL */
	char *size;  /* StorageOpt "size", or NULL */
	bool running; /* as dockerd last wrote it */
	unsigned anonymous_volumes;
};

#define DOCKER_FILES_INIT ((struct docker_files){ 0 })
void docker_files_release(struct docker_files *files);

/* 1, or 0: Docker has no such container. Files that are there and make no sense are an error. */
int docker_files_read(const char *data_root, const char *id, struct docker_files *ret,
		      struct error *err);

/* Another one each time Docker has written what it keeps of the container, its name with it; 0: it has no such container. */
uint64_t docker_files_stamp(const char *data_root, const char *id);

/*
 * Does Docker still have it? 1, 0; -ENODATA: its data root has no folder of containers, so nothing
 * can be said of any.
 */
int docker_has_container(const char *data_root, const char *id, struct error *err);

/* Whether a path is the data of a volume without a name: <data root>/volumes/<64 hex digits>/_data. */
bool docker_is_anonymous_volume(const char *data_root, const char *path);

/* Whether a path is a file that Docker keeps for that container: <data root>/containers/<id>/hosts... */
bool docker_is_file_of(const char *data_root, const char *id, const char *path);

/* "10G", "1.5gb", "300MiB", "1048576": as Docker reads a size (go-units, powers of 1024). */
int docker_size_parse(const char *text, uint64_t *ret_bytes);

#endif
