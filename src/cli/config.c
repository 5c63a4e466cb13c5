/* berth config: check the settings, show the effective ones. */
#include <fcntl.h>

#include "cli/command.h"
#include "host/host.h"

#define SPEC_CAP ((size_t)1 << 20)

static int load(const struct arguments *args, const char *file, struct spec *ret, struct error *err)
{
	_cleanup_(host_release) struct host host = HOST_INIT;
	_cleanup_free_ char *text = NULL;
	const char *path = file ? file : args->config ? args->config : SPEC_PATH_DEFAULT;
	bool named = file || args->config;
	size_t len = 0;
	int r = host_open_root(args->root, &host, err);

	if (r < 0)
		return r;
	r = named ? file_read_at(AT_FDCWD, path, SPEC_CAP, &text, &len) :
		    host_read(&host, path, SPEC_CAP, &text, &len);
	if (r < 0 && (named || r != -ENOENT))
		return error_errno(err, r, "read the settings '%s'", path);
	return spec_parse(text ? text : "", len, path, ret, err);
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
