/*
 * What a Docker data directory holds, read from the disk: dockerd need not run.
 *
 * Counted are images of any graph driver, containers (stopped ones too) and volumes. Images of the
 * containerd image store are not seen here.
 */
#ifndef CHANGE_DOCKER_DATA_H
#define CHANGE_DOCKER_DATA_H

#include "host/host.h"

struct data_summary {
	uint64_t images, containers, volumes;
	uint64_t bytes; /* of the whole directory, 0 when it is not there */
};

/* 1: there is at least one image, container or volume; 0: none, or no such directory; -errno. */
int docker_data_present(const struct host *host, const char *dir, struct data_summary *ret);

/*
 * Is it nothing but what dockerd makes at a first start, with no image, container, volume, plugin
 * or swarm in it? Names dockerd does not make there mean no. 1, 0 or -errno.
 */
int docker_data_is_skeleton(const struct host *host, const char *dir);

#endif
