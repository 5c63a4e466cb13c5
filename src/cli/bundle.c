/* berth bundle: everything for an installation without network, in one file. */
#include "base/units.h"
#include "cli/ui.h"
#include "engine/bundle.h"
#include "node/offline.h"

static int print(const struct arguments *args, const char *path,
		 const struct bundle_manifest *manifest, const char *word)
{
	uint64_t bytes = 0;
	char size[UNITS_MAX];

	for (size_t i = 0; i < manifest->file_count; i++)
		bytes += manifest->files[i].size;
	if (args->json) {
		_cleanup_json_ json_t *value =
			json_pack("{s:s, s:s, s:s, s:I, s:I}", "bundle", path, "suite",
				  manifest->suite, "arch", manifest->arch, "files",
				  (json_int_t)manifest->file_count, "bytes", (json_int_t)bytes);

		return cli_print_json(value);
	}
	printf("%s '%s': %zu files, %s, for %s on %s.\n", word, path, manifest->file_count,
	       size_format(bytes, size), manifest->suite, manifest->arch);
	return EXIT_DONE;
}

static int verify(const struct arguments *args, const char *path, const char *word)
{
	_cleanup_(bundle_manifest_release) struct bundle_manifest manifest = BUNDLE_MANIFEST_INIT;
	struct error err = ERROR_INIT;

	if (bundle_verify(path, NULL, &manifest, &err) < 0)
		return cli_fail(args, &err);
	return print(args, path, &manifest, word);
}

static int create(const struct arguments *args)
{
	_cleanup_(node_close) struct node node = { .lock_fd = -EBADF };
	struct offline_request request = { args->output, args->suite, args->arch };
	_cleanup_free_ char *path = NULL;
	struct error err = ERROR_INIT;
	int r = cli_open(args, &node);

	if (r)
		return r;
	r = cli_lock(args, &node, "bundle create");
	if (r)
		return r;
	r = offline_create(&node, &request, &path, &err);
	return r < 0 ? cli_fail(args, &err) : verify(args, path, "Made");
}

int command_bundle(const struct arguments *args)
{
	if (strcmp(args->argv[0], "verify") == 0 && args->argc == 2)
		return verify(args, args->argv[1], "Whole and unchanged:");
	if (strcmp(args->argv[0], "create") == 0 && args->argc == 1)
		return create(args);
	print_command_help(command_find("bundle"));
	return EXIT_USAGE;
}
