/*
 * The difference of two texts, for people to read.
 *
 * Lines begin with "-", "+" or " "; a line "@@" stands between hunks that are apart. Equal texts
 * give nothing. A last line without a newline is followed by "\ No newline at end of file", a
 * carriage return is shown as "^M". Texts with other control characters in them give one line,
 * "(binary, N bytes -> M bytes)": they have no business on a terminal.
 *
 * The smallest difference is looked for while (lines of the one) x (lines of the other) between
 * their first and last change is below four million; above, all between is shown as replaced.
 */
#ifndef BASE_DIFF_H
#define BASE_DIFF_H

#include "base/strbuf.h"

/* `context`: how many unchanged lines to show around a change. Adds to `out`; see strbuf_failed(). */
void diff_lines(const char *old_text, size_t old_len, const char *new_text, size_t new_len,
		unsigned context, struct strbuf *out);

#endif
