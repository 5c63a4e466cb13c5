/* Where a server listens: "127.0.0.1:9477", "[::1]:9477", ":9477". */
#ifndef SPEC_LISTEN_H
#define SPEC_LISTEN_H

#include "base/macros.h"

#define LISTEN_ADDRESS_MAX 64

/* "[::1]:80" -> "::1", 80; an empty address is all of them. -EINVAL. */
int listen_parse(const char *listen, char ret_address[static LISTEN_ADDRESS_MAX],
		 unsigned short *ret_port);

#endif
