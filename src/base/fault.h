/*
 * Points at which a test can stop the program dead.
 *
 * With BERTH_FAULT_AT=N in the environment the N-th point reached ends the process as a power cut
 * would: no clean-up, exit status 137. With BERTH_FAULT_TRACE=FILE each point's name is appended to
 * FILE, so that a test can count them first and then visit every one. Compiled out (a no-op) where
 * BERTH_FAULT_POINTS is not defined, as in the release build.
 */
#ifndef BASE_FAULT_H
#define BASE_FAULT_H

#ifdef BERTH_FAULT_POINTS
void fault_point(const char *name);
#else
static inline void fault_point(const char *name)
{
	(void)name;
}
#endif

#endif
