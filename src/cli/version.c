#include "cli/command.h"

int command_version(const struct arguments *args)
{
	if (args->json) {
		_cleanup_json_ json_t *value =
			json_pack("{s:s, s:i}", "version", BERTH_VERSION, "journal", JOURNAL_VERSION);

		return cli_print_json(value);
	}
	puts("berth " BERTH_VERSION);
	return EXIT_DONE;
}
