/* berth config: check the settings, show the effective ones. */
#include "cli/command.h"
#include "node/spec_source.h"

static int load(const struct arguments *args, const char *file, struct spec *ret, struct error *err)
{
	_cleanup_(host_release) struct host host = HOST_INIT;
	int r = host_open_root(args->root, &host, err);

	return r < 0 ? r : spec_source_load(&host, file ? file : args->config, ret, NULL, err);
}

static void show(const struct spec *spec)
{
	char section[32] = "";

	for (size_t i = 0; i < spec_field_count; i++) {
		size_t n;
		const char *name = spec_field_name(&spec_fields[i], &n);
		_cleanup_free_ char *value = spec_value(spec, &spec_fields[i]);
		_cleanup_free_ char *line = NULL;
		bool text = spec_fields[i].type == SPEC_STRING || spec_fields[i].type == SPEC_PATH;

		if (n && (strncmp(section, spec_fields[i].key, n) != 0 || section[n])) {
			(void)snprintf(section, sizeof(section), "%.*s", (int)n, spec_fields[i].key);
			printf("%s:\n", section);
		}
		line = xasprintf(text ? "%s%s: \"%s\"" : "%s%s: %s", n ? "  " : "", name, value ? value : "");
		printf("%-46s # %s\n", line ? line : "", spec->origin[i]);
	}
}

int command_config(const struct arguments *args)
{
	_cleanup_(spec_release) struct spec spec = SPEC_INIT;
	const char *verb = args->argv[0];
	const char *file = args->argc > 1 ? args->argv[1] : NULL;
	struct error err = ERROR_INIT;
	bool check = strcmp(verb, "check") == 0;

	if (!check && (strcmp(verb, "show") != 0 || file)) {
		print_command_help(command_find("config"));
		return EXIT_USAGE;
	}
	if (load(args, file, &spec, &err) < 0)
		return cli_fail(args, &err);
	if (args->json) {
		_cleanup_json_ json_t *value = spec_json(&spec);

		return cli_print_json(value);
	}
	if (check)
		puts("The settings are valid.");
	else
		show(&spec);
	return EXIT_DONE;
}
