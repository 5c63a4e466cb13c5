/* Any datagram as quota warnings: nothing is read past its end, and no more is told than there is room for. */
#include "sys/dquot_events.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ void *aligned = malloc(size + 1);
	struct dquot_event events[8];

	if (!aligned)
		return 0;
	memcpy(aligned, data, size);
	for (size_t cap = 0; cap <= ARRAY_SIZE(events); cap += 4) {
		int n = dquot_events_parse(aligned, size, events, cap);

		if (n < 0 || (size_t)n > cap)
			abort();
	}
	return 0;
}
