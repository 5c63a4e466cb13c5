/*
 * One request to the Docker Engine, with its errors in its own words: what docker*.c is made of.
 * The request lacks only the socket; deadline and cap get defaults. Errors as docker.h says.
 */
#ifndef ENGINE_DOCKER_CALL_H
#define ENGINE_DOCKER_CALL_H

#include "engine/docker.h"
#include "engine/http.h"

/* Any status from 400 on is an error. `ret` is overwritten in any case; release it. */
int docker_ask(const char *socket, const struct http_request *request, struct http_response *ret,
	       struct error *err);

/* The answer must be a JSON value of that type (-EPROTO); json_decref() it. */
int docker_ask_json(const struct docker *docker, const struct http_request *request, json_type type,
		    json_t **ret, struct error *err);

/* Only the status counts; `absent_fine`: 404 is no error. */
int docker_ask_plain(const struct docker *docker, const struct http_request *request,
		     bool absent_fine, struct error *err);

/* -EINVAL for what would change the request's path. */
int docker_check_container(const char *id, struct error *err);
int docker_check_image(const char *ref, struct error *err);

#endif
