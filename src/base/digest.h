/* SHA-256 through OpenSSL, of memory and of files, as 64 lower-case hexadecimal digits. */
#ifndef BASE_DIGEST_H
#define BASE_DIGEST_H

#include "base/error.h"

#define DIGEST_HEX_MAX 65

void digest_hex(const void *data, size_t len, char ret[static DIGEST_HEX_MAX]);

/* From the descriptor's current offset to its end. */
int digest_fd(int fd, char ret[static DIGEST_HEX_MAX], struct error *err);

/* 64 hexadecimal digits? */
bool digest_valid(const char *hex);

#endif
