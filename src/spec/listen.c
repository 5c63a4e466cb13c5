#include "spec/listen.h"

#include <stdio.h>
#include <string.h>

#include "base/units.h"

int listen_parse(const char *listen, char ret_address[static LISTEN_ADDRESS_MAX],
		 unsigned short *ret_port)
{
	const char *colon = strrchr(listen, ':');
	size_t len = colon ? (size_t)(colon - listen) : 0;
	uint64_t port;

	if (!colon || u64_parse(colon + 1, &port) < 0 || port == 0 || port > 65535 || len >= LISTEN_ADDRESS_MAX)
		return -EINVAL;
	if (len >= 2 && listen[0] == '[' && listen[len - 1] == ']') {
		listen++;
		len -= 2;
	}
	(void)snprintf(ret_address, LISTEN_ADDRESS_MAX, "%.*s", (int)len, listen);
	if (!len)
		(void)snprintf(ret_address, LISTEN_ADDRESS_MAX, "::");
	*ret_port = (unsigned short)port;
	return 0;
}
