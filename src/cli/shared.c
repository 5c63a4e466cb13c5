#include "base/log.h"
#include "cli/command.h"
#include "node/lock.h"

int cli_print_json(const json_t *value)
{
	if (json_dumpf(value, stdout, JSON_INDENT(2)) < 0)
		return EXIT_FAILED;
	putchar('\n');
	return fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
}

int cli_fail(const struct arguments *args, const struct error *err)
{
	if (args->json) {
		_cleanup_json_ json_t *value = json_pack("{s:s}", "error", err->message);

		(void)json_dumpf(value, stdout, JSON_COMPACT);
		putchar('\n');
		(void)fflush(stdout);
	}
	log_error("%s", err->message);
	return EXIT_FAILED;
}

int cli_refused(const struct arguments *args, const struct report *report, const struct error *err)
{
	if (args->json) {
		_cleanup_json_ json_t *value = json_pack("{s:s, s:o}", "error", err->message, "checks",
							 report_json(report));

		(void)json_dumpf(value, stdout, JSON_COMPACT);
		putchar('\n');
		(void)fflush(stdout);
	}
	log_error("%s", err->message);
	return -err->code;
}

int cli_open(const struct arguments *args, struct node *node)
{
	struct node_options options = { .root = args->root, .config = args->config };
	struct error err = ERROR_INIT;

	return node_open(&options, node, &err) < 0 ? cli_fail(args, &err) : 0;
}

int cli_lock(const struct arguments *args, struct node *node, const char *command)
{
	struct error err = ERROR_INIT;
	int r;

	if (!args->root && geteuid() != 0) {
		error_set(&err, EPERM, "'berth %s' changes the system and must be root: run it with sudo",
			  command);
		return cli_fail(args, &err);
	}
	r = lock_take(&node->host, command, args->wait_ms, &node->progress, &node->lock_fd, &err);
	if (r == 0)
		return 0;
	(void)cli_fail(args, &err);
	return r == -EBUSY ? EXIT_BUSY : EXIT_FAILED;
}
