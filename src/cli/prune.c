/* berth prune: unused images and build cache go when they are old enough. */
#include "node/prune.h"

#include "base/log.h"
#include "base/units.h"
#include "cli/ui.h"

#define OLDEST_MS (UINT64_C(3650) * 24 * 3600 * 1000)

/* ---- for programs ---- */

static json_t *names_json(const struct prune_image *image)
{
	json_t *names = json_array();

	strv_foreach (&image->tags, i, tag)
		(void)json_array_append_new(names, json_string(tag));
	return names;
}

static const char *outcome_name(const struct prune_image *image, bool dry_run)
{
	static const char *const NAMES[] = {
		[PRUNE_PENDING] = "pending",
		[PRUNE_REMOVED] = "removed",
		[PRUNE_SKIPPED] = "skipped",
		[PRUNE_FAILED] = "failed",
	};

	return dry_run ? "would be removed" : NAMES[image->outcome];
}

static void add_image(const struct prune_image *image, bool dry_run, json_t *going, json_t *kept)
{
	json_t *value = json_pack("{s:s, s:o, s:I}", "id", image->id, "names", names_json(image),
				  "size", (json_int_t)image->size);

	if (image->verdict == PRUNE_INNER) {
		json_decref(value);
		return;
	}
	if (image->verdict != PRUNE_GOES) {
		(void)json_object_set_new(value, "reason",
					  json_string(prune_verdict_name(image->verdict)));
		(void)json_array_append_new(kept, value);
		return;
	}
	(void)json_object_set_new(value, "since", json_integer(image->since));
	(void)json_object_set_new(value, "outcome", json_string(outcome_name(image, dry_run)));
	if (image->why)
		(void)json_object_set_new(value, "why", json_string(image->why));
	(void)json_array_append_new(going, value);
}

static void print_json(const struct prune_result *result, bool dry_run, const struct error *err)
{
	json_t *going = json_array(), *kept = json_array(), *records = json_array();
	_cleanup_json_ json_t *value = NULL;

	for (size_t i = 0; i < result->images.len; i++)
		add_image(&result->images.items[i], dry_run, going, kept);
	strv_foreach (&result->cache.ids, i, id)
		(void)json_array_append_new(records, json_string(id));
	value = json_pack("{s:b, s:o, s:o, s:o, s:I, s:I, s:b}", "dry_run", dry_run, "images",
			  going, "kept", kept, "build_cache", records, "images_bytes",
			  (json_int_t)result->freed, "build_cache_bytes",
			  (json_int_t)result->cache.size, "exact", result->exact);
	if (err->code)
		(void)json_object_set_new(value, "error", json_string(err->message));
	(void)cli_print_json(value);
}

/* ---- for people ---- */

static void print_image(const struct prune_image *image, bool dry_run)
{
	static const char *const WORDS[] = {
		[PRUNE_PENDING] = "left",
		[PRUNE_REMOVED] = "removed",
		[PRUNE_SKIPPED] = "skipped",
		[PRUNE_FAILED] = "failed",
	};
	char size[UNITS_MAX];

	size_format(image->size, size);
	printf("  %-8s image %s%s%s", dry_run ? "would go" : WORDS[image->outcome], image->name,
	       image->tags.len > 1 ? " and its other names" : "", image->why ? ": " : "");
	if (image->why)
		printf("%s\n", image->why);
	else
		printf(" (%s)\n", size);
}

static size_t count(const struct prune_images *images, enum prune_verdict verdict)
{
	size_t n = 0;

	for (size_t i = 0; i < images->len; i++)
		n += images->items[i].verdict == verdict;
	return n;
}

static void print_kept(const struct prune_images *images, const char *limit)
{
	const struct {
		enum prune_verdict verdict;
		const char *text;
	} REASONS[] = {
		{ PRUNE_USED, "used by a container, or by the image of one" },
		{ PRUNE_BASE, "what an image that stays is made of" },
		{ PRUNE_LABELLED, "labelled " PRUNE_LABEL_KEEP },
		{ PRUNE_YOUNG, "used within" },
		{ PRUNE_UNKNOWN,
		  "unused since an unknown time, counted from the first berth prune" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(REASONS); i++) {
		size_t n = count(images, REASONS[i].verdict);

		if (n)
			printf("  kept     %zu image%s: %s%s%s\n", n, n == 1 ? "" : "s",
			       REASONS[i].text, REASONS[i].verdict == PRUNE_YOUNG ? " " : "",
			       REASONS[i].verdict == PRUNE_YOUNG ? limit : "");
	}
}

static void print_total(const struct prune_result *result, size_t images, bool dry_run)
{
	size_t records = result->cache.ids.len;
	char size[UNITS_MAX];

	if (!images && !records) {
		puts(dry_run ? "Nothing would go." : "Nothing to remove.");
		return;
	}
	size_format(result->freed + result->cache.size, size);
	printf("%s %s%s: %zu image%s, %zu record%s of build cache.\n",
	       dry_run ? "Would free" : "Freed", result->exact || !result->freed ? "" : "up to ",
	       size, images, images == 1 ? "" : "s", records, records == 1 ? "" : "s");
}

static void print_text(const struct prune_result *result, bool dry_run, const char *limit)
{
	const struct prune_images *images = &result->images;
	size_t n = 0;

	for (size_t i = 0; i < images->len && images->items[i].verdict == PRUNE_GOES; i++) {
		print_image(&images->items[i], dry_run);
		n += dry_run || images->items[i].outcome == PRUNE_REMOVED;
	}
	if (result->cache.ids.len) {
		char size[UNITS_MAX];

		printf("  %-8s build cache, %zu record%s (%s)\n", dry_run ? "would go" : "removed",
		       result->cache.ids.len, result->cache.ids.len == 1 ? "" : "s",
		       size_format(result->cache.size, size));
	}
	print_kept(images, limit);
	print_total(result, n, dry_run);
}

/* ---- the command ---- */

static int take_limit(const struct arguments *args, const struct spec *spec, uint64_t *ret)
{
	*ret = spec->prune.older_than;
	if (!args->older_than)
		return 0;
	if (duration_parse(args->older_than, ret) == 0 && *ret <= OLDEST_MS)
		return 0;
	log_error("--older-than takes a time as 12h or 30d, 3650d at the most, not '%s'",
		  args->older_than);
	return EXIT_USAGE;
}

static int run(const struct arguments *args, struct node *node, uint64_t limit)
{
	_cleanup_(prune_result_release) struct prune_result result = PRUNE_RESULT_INIT;
	struct error err = ERROR_INIT;
	char text[UNITS_MAX];
	int r = node_prune(node, limit, args->dry_run, &result, &err);

	if (!args->json)
		ui_end();
	if (args->json && (r == 0 || result.images.len))
		print_json(&result, args->dry_run, &err);
	else if (!args->json && !args->quiet && (r == 0 || result.images.len))
		print_text(&result, args->dry_run, duration_format(limit, text));
	if (r == 0)
		return EXIT_DONE;
	if (!args->json || !result.images.len)
		return cli_fail(args, &err);
	log_error("%s", err.message);
	return EXIT_FAILED;
}

static int nothing_to_do(const struct arguments *args)
{
	const struct prune_result none = PRUNE_RESULT_INIT;

	if (args->json)
		print_json(&none, args->dry_run, &ERROR_INIT);
	else if (!args->quiet)
		puts("Nothing to do: prune.enabled is false.");
	return EXIT_DONE;
}

int command_prune(const struct arguments *args)
{
	_cleanup_(node_close) struct node node = { .lock_fd = -EBADF };
	uint64_t limit;
	int r;

	if (args->argc && strcmp(args->argv[0], "scheduled") != 0) {
		print_command_help(command_find("prune"));
		return EXIT_USAGE;
	}
	r = cli_open(args, &node);
	if (r == 0)
		r = take_limit(args, &node.spec, &limit);
	if (r)
		return r;
	if (args->argc && !node.spec.prune.enabled)
		return nothing_to_do(args);
	if (!args->json)
		ui_begin(args, &node);
	if (!args->dry_run)
		r = cli_lock(args, &node, "prune");
	if (r) {
		ui_end();
		return r;
	}
	return run(args, &node, limit);
}
