/*
 * What a run shows: a live list of steps on a terminal, plain lines elsewhere, a JSON object a line with
 * --json.
 */
#ifndef CLI_UI_H
#define CLI_UI_H

#include "cli/command.h"

/* Hook it into the node. One at a time; ui_end() when the run is over. */
void ui_begin(const struct arguments *args, struct node *node);
void ui_end(void);

/* A line of the stream that --json is. Takes the event. */
void ui_event(json_t *event);

/* Failed checks and warnings (everything with `all`; failures alone, on standard error, with --quiet). */
void ui_report(const struct arguments *args, const struct report *report, bool all);

/* Colour a word for standard output when that is a terminal. `verdict`: what it stands for. */
const char *ui_colour(enum verdict verdict);
const char *ui_plain(void);

#endif
