#include "sandbox/name.h"

#include "sandbox/docker_files.h"
#include "sandbox/pods.h"

int sandbox_name(const struct settings *settings, int pool_fd, const char *id, char **ret_name,
		 const char **ret_engine)
{
	_cleanup_(docker_files_release) struct docker_files files = DOCKER_FILES_INIT;
	_cleanup_(pod_container_release) struct pod_container container = POD_CONTAINER_INIT;

	*ret_name = NULL;
	*ret_engine = NULL;
	if (*settings->engine && docker_files_read(settings->engine, id, &files, NULL) > 0) {
		*ret_name = TAKE_PTR(files.name);
		*ret_engine = ENGINE_NAME_DOCKER;
	} else if (*settings->kubelet && pod_find(pool_fd, id, &container, NULL) > 0) {
		*ret_name = TAKE_PTR(container.name);
		*ret_engine = ENGINE_NAME_KUBERNETES;
	}
	return *ret_engine != NULL;
}

uint64_t sandbox_name_stamp(const struct settings *settings, const char *id)
{
	return *settings->engine ? docker_files_stamp(settings->engine, id) : 0;
}

bool sandbox_is_kept(const struct settings *settings, const char *id)
{
	return *settings->engine && docker_has_container(settings->engine, id, NULL) != 0;
}
