/*
 * Mirrors of a registry as containerd has them, hosts.toml of a folder that is named after the registry
 * (containerd, docs/hosts.md), as far as another engine can have them too.
 */
#ifndef ENGINE_HOSTS_TOML_H
#define ENGINE_HOSTS_TOML_H

#include "base/error.h"

struct registry_mirror {
	char *host;	 /* "mirror.example.com:5000" */
	char *authority; /* path of the certificate it is known by; NULL: the machine's */
	bool insecure;	 /* http, or its certificate is not looked at */
	bool unlike;	 /* it has a path, a client's certificate or headers of its own, or no pulls: no other engine asks it so */
};

struct registry_hosts {
	char *server; /* "registry-1.docker.io"; NULL: as the folder is called */
	struct registry_mirror *mirrors; /* in the order in which they are asked */
	size_t len;
};

#define REGISTRY_HOSTS_INIT ((struct registry_hosts){ 0 })
void registry_hosts_release(struct registry_hosts *hosts);

/* Keys and tables that are not known are passed over. -ENOMEM. */
int hosts_toml_read(const char *text, struct registry_hosts *ret);

#endif
