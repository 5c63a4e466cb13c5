#include "cli/ui.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <sys/time.h>

#include "base/clock.h"
#include "base/units.h"

enum mode { MODE_PLAIN, MODE_TERMINAL, MODE_JSON, MODE_QUIET };

/* The one screen there is. */
static struct {
	enum mode mode;
	const char *stage; /* NULL: none */
	char activity[256];
	uint64_t stage_start, done, total, drawn;
	char drawn_activity[256];
} screen;

static bool on_terminal(void)
{
	const char *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && term && strcmp(term, "dumb") != 0;
}

static bool has_colour(void)
{
	return on_terminal() && !getenv("NO_COLOR");
}

const char *ui_colour(enum verdict verdict)
{
	static const char *const CODES[] = { "\033[32m", "\033[33m", "\033[2m", "\033[31m" };

	return has_colour() ? CODES[verdict] : "";
}

const char *ui_plain(void)
{
	return has_colour() ? "\033[0m" : "";
}

static unsigned width(void)
{
	struct winsize size;

	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
}

/* The live line: what the step is doing, for how long, how many bytes. */
static void draw(void)
{
	char line[512], elapsed[UNITS_MAX], done[UNITS_MAX], total[UNITS_MAX], bytes[96] = "";
	uint64_t now = monotonic_ms();

	if (screen.mode != MODE_TERMINAL || !screen.stage)
		return;
	if (screen.done && screen.total)
		(void)snprintf(bytes, sizeof(bytes), " %s of %s", size_format(screen.done, done),
			       size_format(screen.total, total));
	else if (screen.done)
		(void)snprintf(bytes, sizeof(bytes), " %s", size_format(screen.done, done));
	duration_format(now - screen.stage_start, elapsed);
	(void)snprintf(line, sizeof(line), "  . %-12s %6s %s%s%s", screen.stage, elapsed,
		       screen.activity, bytes, "");
	printf("\r\033[K%.*s", (int)width() - 1, line);
	(void)fflush(stdout);
	screen.drawn = now;
}

/* Elapsed time goes on while a child works: redrawn by a timer, from signal-safe calls only. */
static void tick(int sig)
{
	uint64_t s = (monotonic_ms() - screen.stage_start) / 1000;
	char text[32] = "\r\033[17C      ";
	size_t at = 12;
	int saved = errno;

	(void)sig;
	if (!screen.stage || monotonic_ms() - screen.drawn < 900)
		goto out;
	text[at] = 's';
	do {
		text[--at] = (char)('0' + s % 10);
		s /= 10;
	} while (s && at > 6);
	(void)!write(STDOUT_FILENO, text, 13);
out:
	errno = saved;
}

void ui_event(json_t *event)
{
	(void)json_dumpf(event, stdout, JSON_COMPACT);
	putchar('\n');
	(void)fflush(stdout);
	json_decref(event);
}

static void stage_begin(void *userdata, const char *phase, const char *name)
{
	(void)userdata;
	screen.stage = name;
	screen.stage_start = monotonic_ms();
	screen.done = screen.total = 0;
	screen.activity[0] = '\0';
	if (screen.mode == MODE_JSON)
		ui_event(json_pack("{s:s, s:s, s:s}", "event", "step-begin", "phase", phase, "step",
				     name));
	draw();
}

static void print_stage(const char *phase, const char *name, const char *summary, bool ok, uint64_t ms)
{
	bool verify = strcmp(phase, "verify") == 0;
	char elapsed[UNITS_MAX];

	if (screen.mode == MODE_TERMINAL)
		fputs("\r\033[K", stdout);
	/* That all checks passed is not worth a line: a run with nothing to do has just one. */
	if (ok && strcmp(phase, "check") == 0)
		return;
	duration_format(ms, elapsed);
	printf("  %s%s%s %-12s %6s ", ui_colour(ok ? CHECK_PASS : CHECK_FAIL), ok ? "ok" : "--",
	       ui_plain(), name, elapsed);
	if (ok)
		printf("%s%s\n", verify ? "verified: " : "", summary);
	else
		puts(verify ? "not verified" : "not done");
}

static void stage_end(void *userdata, const char *phase, const char *name, const char *summary, bool ok,
		      uint64_t ms)
{
	(void)userdata;
	screen.stage = NULL;
	if (screen.mode == MODE_JSON)
		ui_event(json_pack("{s:s, s:s, s:s, s:b, s:I}", "event", "step-end", "phase", phase,
				     "step", name, "ok", ok, "ms", (json_int_t)ms));
	else if (screen.mode != MODE_QUIET)
		print_stage(phase, name, summary, ok, ms);
	(void)fflush(stdout);
}

static void change_begin(void *userdata, const struct change *change)
{
	(void)userdata;
	(void)snprintf(screen.activity, sizeof(screen.activity), "%s %s",
		       change_verb(change->kind), change->target);
	screen.done = screen.total = 0;
	if (screen.mode == MODE_JSON)
		ui_event(json_pack("{s:s, s:s, s:s, s:s}", "event", "change-begin", "step",
				     change->step, "kind", change->kind->name, "target",
				     change->target));
	draw();
}

static void change_end(void *userdata, const struct change *change, bool ok, uint64_t ms)
{
	(void)userdata;
	if (screen.mode == MODE_JSON)
		ui_event(json_pack("{s:s, s:s, s:s, s:s, s:b, s:I}", "event", "change-end", "step",
				     change->step, "kind", change->kind->name, "target",
				     change->target, "ok", ok, "ms", (json_int_t)ms));
	else if (screen.mode == MODE_PLAIN)
		printf("     %-7s %s\n", change_verb(change->kind), change->target);
	(void)fflush(stdout);
}

static void evicted(void *userdata, const char *pod)
{
	(void)userdata;
	if (screen.mode == MODE_JSON)
		ui_event(json_pack("{s:s, s:s, s:s, s:b}", "event", "change-end", "kind", "evict", "target", pod, "ok", 1));
	else
		printf("  evict    %s\n", pod);
}

static void left(void *userdata, const struct change *change, const char *why)
{
	(void)userdata;
	if (screen.mode == MODE_JSON)
		ui_event(json_pack("{s:s, s:s, s:s, s:s, s:s}", "event", "left", "step", change->step, "kind",
				     change->kind->name, "target", change->target, "why", why));
	else if (screen.mode != MODE_QUIET)
		printf("  %sleft%s    %s %s: %s\n", ui_colour(CHECK_WARN), ui_plain(), change->kind->name,
		       change->target, why);
	(void)fflush(stdout);
}

static void undone(void *userdata, const struct journal_entry *entry, enum undo_outcome outcome,
		   const char *why)
{
	static const char *const WORDS[] = { "undone", "nothing", "left" };

	(void)userdata;
	if (screen.mode == MODE_JSON) {
		ui_event(json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "event", "undo", "step",
				     entry->step, "kind", entry->kind, "target", entry->target,
				     "outcome", WORDS[outcome], "why", why));
		return;
	}
	if (screen.mode == MODE_QUIET || outcome == UNDO_NOTHING)
		return;
	printf("  %s%-7s%s %s %s%s%s\n", ui_colour(outcome == UNDO_DONE ? CHECK_PASS : CHECK_WARN),
	       WORDS[outcome], ui_plain(), entry->kind, entry->target, *why ? ": " : "", why);
	(void)fflush(stdout);
}

static void activity(void *userdata, const char *text)
{
	(void)userdata;
	if (strcmp(screen.drawn_activity, text) == 0 && monotonic_ms() - screen.drawn < 900)
		return;
	/* Plain output keeps its memory: a waiting line is said once, not twice a second. */
	if (screen.mode == MODE_PLAIN && strncmp(text, "waiting", 7) == 0 &&
	    strcmp(screen.drawn_activity, text) != 0) {
		printf("     %s\n", text);
		(void)fflush(stdout);
	}
	if (screen.mode == MODE_JSON && strcmp(screen.drawn_activity, text) != 0)
		ui_event(json_pack("{s:s, s:s}", "event", "activity", "text", text));
	(void)snprintf(screen.drawn_activity, sizeof(screen.drawn_activity), "%s", text);
	(void)snprintf(screen.activity, sizeof(screen.activity), "%s", text);
	draw();
}

static void bytes(void *userdata, uint64_t done, uint64_t total)
{
	(void)userdata;
	screen.done = done;
	screen.total = total;
	if (monotonic_ms() - screen.drawn > 200)
		draw();
}

void ui_begin(const struct arguments *args, struct node *node)
{
	struct sigaction action = { .sa_handler = tick, .sa_flags = SA_RESTART };
	struct itimerval every = { .it_interval = { 1, 0 }, .it_value = { 1, 0 } };

	screen.mode = args->json       ? MODE_JSON :
		      args->quiet      ? MODE_QUIET :
		      on_terminal()    ? MODE_TERMINAL :
					 MODE_PLAIN;
	node->observer = (struct observer){ .stage_begin = stage_begin,
					    .stage_end = stage_end,
					    .change_begin = change_begin,
					    .change_end = change_end,
					    .left = left,
					    .evicted = evicted,
					    .undone = undone };
	node->progress = (struct progress){ .activity = activity, .bytes = bytes };
	if (screen.mode != MODE_TERMINAL)
		return;
	(void)sigaction(SIGALRM, &action, NULL);
	(void)setitimer(ITIMER_REAL, &every, NULL);
}

void ui_end(void)
{
	struct itimerval never = { 0 };

	(void)setitimer(ITIMER_REAL, &never, NULL);
	if (screen.mode == MODE_TERMINAL && screen.stage)
		fputs("\r\033[K", stdout);
	screen.stage = NULL;
	(void)fflush(stdout);
}

static bool worth_showing(const struct arguments *args, const struct check *check, bool all)
{
	if (check->verdict == CHECK_FAIL)
		return true;
	return !args->quiet && (all || check->verdict == CHECK_WARN);
}

void ui_report(const struct arguments *args, const struct report *report, bool all)
{
	static const enum verdict ORDER[] = { CHECK_PASS, CHECK_SKIP, CHECK_WARN, CHECK_FAIL };

	FILE *out = args->quiet ? stderr : stdout;

	if (args->json)
		return;
	for (size_t v = 0; v < ARRAY_SIZE(ORDER); v++) {
		for (size_t i = 0; i < report->len; i++) {
			const struct check *c = &report->items[i];

			if (c->verdict != ORDER[v] || !worth_showing(args, c, all))
				continue;
			fprintf(out, "  %s%s%s %-24s %s\n", ui_colour(c->verdict),
			       verdict_name(c->verdict), ui_plain(), c->id, c->text);
			if (c->remedy && c->verdict != CHECK_PASS)
				fprintf(out, "       %-24s -> %s\n", "", c->remedy);
		}
	}
	(void)fflush(out);
}
