/*
 * The agent's log, on standard output: a line an event, as logfmt or JSON.
 *
 *     ts=2026-01-31T10:00:00Z level=warn msg="dockerd does not run" fault=docker-dead
 */
#ifndef AGENT_SAY_H
#define AGENT_SAY_H

#include "base/macros.h"

enum say_level {
	SAY_INFO,
	SAY_WARN,
	SAY_ERROR,
};

void say_format(bool json);

/* A message, then pairs of a key and a text; a pair whose text is NULL or empty is left out. */
#define say(level, ...) say_words(level, (const char *const[]){ __VA_ARGS__, NULL })

void say_words(enum say_level level, const char *const *words);

/* The line say() would write, with a fixed time; for tests. free() it. */
char *say_line(bool json, const char *time, enum say_level level, const char *message,
	       const char *const *pairs);

#endif
