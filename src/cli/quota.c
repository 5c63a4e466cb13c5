/* berth quota ls | get | set | reconcile: budgets of the sandboxes on this host. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <time.h>

#include "base/log.h"
#include "base/units.h"
#include "cli/command.h"
#include "cli/ui.h"
#include "quota/budget.h"
#include "sandbox/adjust.h"
#include "sandbox/pool_dirs.h"
#include "sandbox/reconcile.h"
#include "step/layout.h"

#define WATCH_MS 2000
#define ID_SHOWN 12

struct session {
	const struct arguments *args;
	struct settings settings;
	int pool;
};

static int fail_usage(const char *problem)
{
	log_error("%s; 'berth quota --help' tells what there is", problem);
	return EXIT_USAGE;
}

static int open_session(const struct arguments *args, struct session *s, struct error *err)
{
	int r;

	s->args = args;
	s->pool = -EBADF;
	if (args->root)
		return error_set(err, EOPNOTSUPP, "budgets are kept by a running kernel: a folder (--root) has none");
	r = settings_read(RUNC_CONF, &s->settings, err);
	if (r == 0)
		r = pool_open(s->settings.pool, &s->pool, err);
	return r < 0 ? r : budget_check_pool(s->pool, err);
}

/* ---- ls ---- */

static bool matches(const struct sandbox *s, const char *filter)
{
	return !filter || strstr(s->id, filter) || (s->name && strstr(s->name, filter)) ||
	       strcmp(s->engine, filter) == 0;
}

static const char *limit_text(uint64_t limit, char buf[static UNITS_MAX])
{
	return budget_is_unlimited(limit) ? "unlimited" : size_format(limit, buf);
}

static json_t *limit_json(uint64_t limit)
{
	return budget_is_unlimited(limit) ? json_null() : json_integer((json_int_t)limit);
}

static json_t *sandbox_json(const struct sandbox *s)
{
	_cleanup_free_ char *where = sandbox_where(s->where);

	return json_pack("{s:s, s:o, s:s, s:b, s:I, s:I, s:o, s:i, s:I, s:o, s:o, s:s, s:I}", "id", s->id, "name",
			 s->name ? json_string(s->name) : json_null(), "engine", s->engine, "running",
			 record_is_running(&s->record), "project", (json_int_t)s->record.project,
			 "used_bytes", (json_int_t)s->usage.used, "limit_bytes", limit_json(s->usage.hard),
			 "percent", (int)sandbox_percent(s), "inodes", (json_int_t)s->usage.inodes,
			 "inodes_limit", limit_json(s->usage.inode_hard), "budget_bytes",
			 limit_json(s->record.budget), "where", where ? where : "", "gone_since",
			 (json_int_t)s->gone_since);
}

static int print_json(const struct sandboxes *list, const char *filter)
{
	_cleanup_json_ json_t *array = json_array();

	for (size_t i = 0; i < list->len; i++) {
		if (matches(&list->items[i], filter))
			(void)json_array_append_new(array, sandbox_json(&list->items[i]));
	}
	for (size_t i = 0; i < list->unreadable_len; i++)
		(void)json_array_append_new(array, json_pack("{s:s, s:s}", "id", list->unreadable[i].id, "error",
							     list->unreadable[i].why));
	return cli_print_json(array);
}

static void print_row(const struct sandbox *s)
{
	char used[UNITS_MAX], limit[UNITS_MAX], percent[8] = "-";
	_cleanup_free_ char *where = sandbox_where(s->where);
	unsigned part = sandbox_percent(s);

	if (!budget_is_unlimited(s->usage.hard))
		(void)snprintf(percent, sizeof(percent), "%u%%", MIN_OF(part, 9999U));
	printf("%-24.24s %-7.7s %-*.*s %8s %9s %s%5s%s %8" PRIu64 "  %s%s\n", s->name ? s->name : "-",
	       *s->engine ? s->engine : "-", ID_SHOWN, ID_SHOWN, s->id, size_format(s->usage.used, used),
	       limit_text(s->usage.hard, limit), part >= 95 ? ui_colour(CHECK_FAIL) : part >= 80 ?
	       ui_colour(CHECK_WARN) : "", percent, ui_plain(), s->usage.inodes,
	       where ? where : "", s->gone_since ? " (gone)" : "");
}

static void print_table(const struct sandboxes *list, const char *filter, int rows)
{
	uint64_t used = 0;
	size_t shown = 0, all = 0;
	char text[UNITS_MAX];

	printf("%-24s %-7s %-*s %8s %9s %5s %8s  %s\n", "SANDBOX", "ENGINE", ID_SHOWN, "ID", "USED", "LIMIT",
	       "%", "INODES", "WHERE");
	for (size_t i = 0; i < list->len; i++) {
		if (!matches(&list->items[i], filter))
			continue;
		all++;
		used += list->items[i].usage.used;
		if (rows <= 0 || shown < (size_t)rows) {
			print_row(&list->items[i]);
			shown++;
		}
	}
	printf("%zu sandbox%s, %s used%s\n", all, all == 1 ? "" : "es", size_format(used, text),
	       shown < all ? " (more than fit here)" : "");
}

static int parse_order(const char *name, enum sandbox_order *ret)
{
	static const char *const NAMES[] = { "name", "used", "limit", "percent", "inodes", "id" };

	*ret = ORDER_PERCENT;
	if (!name)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(NAMES); i++) {
		if (strcmp(NAMES[i], name) == 0) {
			*ret = (enum sandbox_order)i;
			return 0;
		}
	}
	return -EINVAL;
}

static int list_once(struct session *s, enum sandbox_order order, int rows)
{
	_cleanup_(sandboxes_release) struct sandboxes list = SANDBOXES_INIT;
	struct error err = ERROR_INIT;
	int r = sandboxes_read(&s->settings, s->pool, &list, &err);

	if (r < 0 && r != -EBADMSG)
		return cli_fail(s->args, &err);
	sandboxes_sort(&list, order);
	if (s->args->json) {
		int printed = print_json(&list, s->args->filter);

		return r < 0 && printed == EXIT_DONE ? EXIT_FAILED : printed;
	}
	print_table(&list, s->args->filter, rows);
	if (r < 0)
		log_error("%s", err.message);
	return r < 0 ? EXIT_FAILED : EXIT_DONE;
}

static volatile sig_atomic_t stopped;

static void stop(int signal)
{
	(void)signal;
	stopped = 1;
}

static int screen_rows(void)
{
	struct winsize size;

	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 5 ? size.ws_row - 4 : 0;
}

/* Redrawn in place, on the terminal's other screen, which is left as it was at the end. */
static int watch(struct session *s, enum sandbox_order order)
{
	const struct timespec pause = { .tv_sec = WATCH_MS / 1000 };
	struct sigaction action = { .sa_handler = stop };
	bool terminal = isatty(STDOUT_FILENO) && !s->args->json;
	int r = EXIT_DONE;

	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
	if (terminal)
		fputs("\033[?1049h\033[?25l", stdout);
	while (!stopped && r == EXIT_DONE) {
		char stamp[32];
		time_t now = time(NULL);
		struct tm tm;

		if (terminal && localtime_r(&now, &tm) && strftime(stamp, sizeof(stamp), "%H:%M:%S", &tm))
			printf("\033[H\033[Jberth quota ls   every %ds   %s   (Ctrl-C ends)\n\n", WATCH_MS / 1000,
			       stamp);
		r = list_once(s, order, terminal ? screen_rows() : 0);
		if (fflush(stdout) != 0)
			break;
		(void)nanosleep(&pause, NULL);
	}
	if (terminal) {
		fputs("\033[?25h\033[?1049l", stdout);
		(void)fflush(stdout);
	}
	return r;
}

static int quota_ls(struct session *s)
{
	enum sandbox_order order;

	if (parse_order(s->args->sort, &order) < 0)
		return fail_usage("--sort takes name, used, limit, percent, inodes or id");
	return s->args->watch ? watch(s, order) : list_once(s, order, 0);
}

/* ---- get, set ---- */

static int find(struct session *s, struct sandboxes *list, const struct sandbox **ret, struct error *err)
{
	struct error incomplete = ERROR_INIT;
	int r = sandboxes_read(&s->settings, s->pool, list, &incomplete);

	if (r < 0 && r != -EBADMSG)
		return error_set(err, incomplete.code, "%s", incomplete.message);
	return sandboxes_find(list, s->args->argv[1], ret, err);
}

static int quota_get_one(struct session *s)
{
	_cleanup_(sandboxes_release) struct sandboxes list = SANDBOXES_INIT;
	char used[UNITS_MAX], limit[UNITS_MAX], inodes[24] = "unlimited";
	_cleanup_json_ json_t *value = NULL;
	_cleanup_free_ char *where = NULL;
	const struct sandbox *found;
	struct error err = ERROR_INIT;

	if (find(s, &list, &found, &err) < 0)
		return cli_fail(s->args, &err);
	if (s->args->json) {
		value = sandbox_json(found);
		return cli_print_json(value);
	}
	where = sandbox_where(found->where);
	if (!budget_is_unlimited(found->usage.inode_hard))
		(void)snprintf(inodes, sizeof(inodes), "%" PRIu64, found->usage.inode_hard);
	printf("sandbox  %s\nid       %s\nstate    %s\nproject  %u\nused     %s of %s (%u%%)\ninodes   %" PRIu64
	       " of %s\nwhere    %s\nset by   %s\n", found->name ? found->name : "-", found->id,
	       record_is_running(&found->record) ? "running" : found->gone_since ? "gone" : "stopped",
	       found->record.project, size_format(found->usage.used, used),
	       limit_text(found->usage.hard, limit), sandbox_percent(found), found->usage.inodes, inodes,
	       where ? where : "", found->record.set ? "berth quota set" : "label, engine or default");
	return EXIT_DONE;
}

static int parse_size(const char *text, const struct arguments *args, struct adjustment *ret)
{
	*ret = (struct adjustment){ .force = args->force };
	if (strcmp(text, "default") == 0)
		ret->by_default = true;
	else if (strcmp(text, "unlimited") != 0 && (size_parse(text, &ret->bytes) < 0 || !ret->bytes))
		return -EINVAL;
	return 0;
}

static int quota_set_one(struct session *s)
{
	_cleanup_(sandboxes_release) struct sandboxes list = SANDBOXES_INIT;
	struct adjustment adjustment;
	const struct sandbox *found;
	struct error err = ERROR_INIT;
	char text[UNITS_MAX];
	uint64_t bytes = 0;
	int r;

	if (parse_size(s->args->argv[2], s->args, &adjustment) < 0)
		return fail_usage("a size is written as 10G or 512M, or 'unlimited', or 'default'");
	r = find(s, &list, &found, &err);
	if (r == 0)
		r = sandbox_adjust(&s->settings, s->pool, found, &adjustment, &bytes, &err);
	if (r < 0)
		return cli_fail(s->args, &err);
	if (s->args->json) {
		_cleanup_json_ json_t *value = json_pack("{s:s, s:o}", "id", found->id, "budget_bytes",
							 limit_json(bytes));

		return cli_print_json(value);
	}
	if (!s->args->quiet)
		printf("%s may use %s.\n", found->name ? found->name : found->id, limit_text(bytes, text));
	return EXIT_DONE;
}

/* ---- reconcile ---- */

struct done {
	const struct arguments *args;
	json_t *all;
	bool failed;
};

static void print_done(void *userdata, const char *what, const char *id, const char *detail)
{
	struct done *done = userdata;

	if (done->args->json)
		(void)json_array_append_new(done->all, json_pack("{s:s, s:s, s:s}", "what", what, "id", id,
								 "detail", detail));
	else if (!done->args->quiet)
		printf("%-8s %-*.*s %s\n", what, ID_SHOWN, ID_SHOWN, id, detail);
}

/* In the same array: one document, whatever came of it. */
static void print_failed(void *userdata, const char *id, const char *message)
{
	struct done *done = userdata;

	done->failed = true;
	if (done->args->json)
		(void)json_array_append_new(done->all, json_pack("{s:s, s:s, s:s}", "what", "error", "id", id, "detail",
								 message));
	else if (*id)
		log_error("sandbox %.*s: %s", ID_SHOWN, id, message);
	else
		log_error("%s", message);
}

static int quota_reconcile(struct session *s)
{
	_cleanup_(node_close) struct node node = { .lock_fd = -EBADF };
	_cleanup_json_ json_t *all = json_array();
	struct done done = { .args = s->args, .all = all };
	struct reconcile_options options = { .dry_run = s->args->dry_run, .did = print_done,
					     .failed = print_failed, .userdata = &done };
	struct error err = ERROR_INIT;
	unsigned count = 0;
	int r = cli_open(s->args, &node);

	if (r)
		return r;
	options.keep_s = node.spec.budget.stash_keep / 1000;
	(void)reconcile(&s->settings, s->pool, &options, &count, &err);
	if (s->args->json)
		r = cli_print_json(all);
	else if (!done.failed && !count && !s->args->quiet)
		puts("Nothing to do: every sandbox is in its budget.");
	return done.failed ? EXIT_FAILED : r;
}

static const struct verb {
	const char *name;
	int operands; /* the verb too */
	unsigned options;
	int (*run)(struct session *s);
} VERBS[] = {
	{ "ls", 1, 0, quota_ls },
	{ "get", 2, 0, quota_get_one },
	{ "set", 3, 0, quota_set_one },
	{ "reconcile", 1, 0, quota_reconcile },
};

int command_quota(const struct arguments *args)
{
	const struct verb *verb = NULL;
	struct error err = ERROR_INIT;
	struct session s;
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(VERBS); i++) {
		if (strcmp(args->argv[0], VERBS[i].name) == 0)
			verb = &VERBS[i];
	}
	if (!verb || args->argc != verb->operands)
		return fail_usage(verb ? "that is one word too few or too many" : "there is no such verb");
	r = open_session(args, &s, &err);
	r = r < 0 ? cli_fail(args, &err) : verb->run(&s);
	fd_closep(&s.pool);
	return r;
}
