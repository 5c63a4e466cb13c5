/*
 * The real runtime as a child that is waited for, where something remains to be done after it.
 *
 * Nobody can tell it from an execve: descriptors, environment, working directory and the dispositions of signals are
 * inherited, signals that are sent to this process are passed on, it dies with this process, and this process ends as
 * it did.
 */
#ifndef RUNC_CHILD_H
#define RUNC_CHILD_H

#include "base/error.h"

/* 0 and its wait status; negative: it could not be run, with the reason alone as a sentence. */
int child_run(const char *program, char **argv, int *ret_status, struct error *err);

/* The exit status for main(); of a child that a signal ended it does not return. */
int child_end_as(int status);

#endif
