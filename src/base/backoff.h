/* Pauses between tries that grow. */
#ifndef BASE_BACKOFF_H
#define BASE_BACKOFF_H

#include <stdint.h>

/* `first`, doubled `times` times, and never more than `most`. */
static inline uint64_t backoff(uint64_t first, unsigned times, uint64_t most)
{
	while (times-- && first < most)
		first *= 2;
	return first < most ? first : most;
}

#endif
