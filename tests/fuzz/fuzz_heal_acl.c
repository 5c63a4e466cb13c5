/* Input: the value of a POSIX ACL. Ids only ever go down, by the base, and once. */
#include "sandbox/heal.h"

#include <string.h>

#define BASE 100000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ uint8_t *value = malloc(size + 1);
	int r;

	if (!value)
		abort();
	memcpy(value, data, size);
	r = heal_acl(value, size, BASE);
	if (r < 0 && (r != -EINVAL || memcmp(value, data, size) != 0))
		abort();
	if (r == 0 && memcmp(value, data, size) != 0)
		abort();
	if (r > 0 && (memcmp(value, data, size) == 0 || heal_acl(value, size, BASE) != 0))
		abort();
	return 0;
}
