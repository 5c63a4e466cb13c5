/*
 * What was checked and how it came out: preflight and verification speak through this.
 */
#ifndef STEP_REPORT_H
#define STEP_REPORT_H

#include "base/json.h"
#include "base/strbuf.h"

enum verdict {
	CHECK_PASS,
	CHECK_WARN, /* works, but worse than it could */
	CHECK_SKIP, /* could not or need not be checked; the text says why */
	CHECK_FAIL,
};

struct check {
	const char *id; /* "kernel.overlay": stable, for people and programs */
	enum verdict verdict;
	char *text;   /* what was found, and why that is bad where it is */
	char *remedy; /* what to do, NULL where nothing is to be done */
};

struct report {
	struct check *items;
	size_t len;
};

#define REPORT_INIT ((struct report){ 0 })
void report_release(struct report *report);

/* `remedy` may be NULL and is copied. Without memory the process ends: a lost verdict would be a lie. */
void report_add(struct report *report, const char *id, enum verdict verdict, const char *remedy,
		const char *fmt, ...) _printf_(5, 6);

size_t report_count(const struct report *report, enum verdict verdict);
const char *verdict_name(enum verdict verdict); /* "pass", "warn", "skip", "fail" */

/* [{"id", "verdict", "text", "remedy"}] */
json_t *report_json(const struct report *report);

#endif
