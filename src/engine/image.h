/*
 * A container image of one program, as `docker save` would write it: no registry, no build.
 *
 * One layer with the program (0755, and the directories it lies in) and nothing else; it is the
 * entrypoint. The same program gives the same bytes, thus the same image id.
 */
#ifndef ENGINE_IMAGE_H
#define ENGINE_IMAGE_H

#include "base/error.h"
#include "base/strbuf.h"

/*
 * `ref`: "name:tag". `binary`: a static 64-bit ELF program for x86-64 or AArch64, from which the
 * image's architecture is read; anything else, a dynamically linked one too, is -ENOEXEC.
 * `path_in_image`: absolute, without "." and "..". The archive is added to `ret_tar`, which on an
 * error is as it was. -EINVAL: ref or path; -ENOMEM.
 */
int image_build(const char *ref, const void *binary, size_t len, const char *path_in_image,
		struct strbuf *ret_tar, struct error *err);

#endif
