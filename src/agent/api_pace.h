/* How soon an API server that failed is asked again, and since when it fails. */
#ifndef AGENT_API_PACE_H
#define AGENT_API_PACE_H

#include <stdbool.h>
#include <stdint.h>

struct api_pace {
	unsigned failures;	/* in a row */
	unsigned tries;		/* of these, by which the pause grows */
	bool refused;		/* with 401 */
	uint64_t failing_since; /* monotonic_ms(); 0: it answers */
};

/*
 * It failed with `status` (0: no answer), and asks for a pause of `retry_ms` (0: it does not). Returns the milliseconds until
 * the next try: a second, doubled with each failure up to five minutes. At the first 401 from the beginning: it is there again,
 * and refuses a token that ran out meanwhile, which the kubelet is about to renew.
 */
uint64_t api_pace_failed(struct api_pace *pace, long status, uint64_t retry_ms, uint64_t now);

/* It answered. Had it failed before? */
bool api_pace_answered(struct api_pace *pace);

#endif
