/* Time that only goes forward, whatever is done to the date. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

/* Milliseconds since some point before the program began (CLOCK_MONOTONIC). */
uint64_t monotonic_ms(void);

#endif
