#include "agent/api_pace.h"

#include "base/backoff.h"
#include "base/macros.h"

#define FIRST_MS 1000
#define MOST_MS	 (5 * 60 * 1000)

uint64_t api_pace_failed(struct api_pace *pace, long status, uint64_t retry_ms, uint64_t now)
{
	uint64_t pause;

	if (status == 401 && !pace->refused) {
		pace->refused = true;
		pace->tries = 0;
	}
	pause = backoff(FIRST_MS, pace->tries++, MOST_MS);
	pace->failures++;
	if (!pace->failing_since)
		pace->failing_since = now;
	return MIN_OF(MAX_OF(pause, retry_ms), (uint64_t)MOST_MS);
}

bool api_pace_answered(struct api_pace *pace)
{
	bool failed = pace->failures > 0;

	*pace = (struct api_pace){ 0 };
	return failed;
}
