#include "cli/pool_status.h"

#include "base/units.h"
#include "sys/quota.h"

struct pool_policy pool_policy_of(const struct spec *spec)
{
	return (struct pool_policy){
		.grow_at = spec->pool.grow_at,
		.grow_by = spec->pool.grow_by,
		.max_size = spec->pool.max_size,
		.reserve = spec->pool.reserve,
	};
}

/* How much larger it may become by itself. */
static uint64_t room(const struct pool_figures *f, const struct pool_policy *policy)
{
	uint64_t left = pool_room(f, policy->reserve);

	if (policy->max_size)
		left = MIN_OF(left, policy->max_size > f->size ? policy->max_size - f->size : 0);
	return left;
}

/* ---- the verdict: one line, and a word for programs ---- */

static const char *verdict(const struct pool_figures *f, const struct pool_policy *policy,
			   struct error *ret)
{
	char promised[UNITS_MAX], available[UNITS_MAX], kept[UNITS_MAX];

	if (pool_check_disk(f, policy->reserve, ret) < 0)
		return "disk-full";
	if (pool_is_short(f, policy->reserve)) {
		error_set(
			ret, ENOSPC,
			"the disk below will be full before the pool is: %s of '%s' are not on it yet, "
			"and of the %s free there %s are the reserve",
			size_format(pool_promised(f), promised), f->name,
			size_format(f->disk_free, available), size_format(policy->reserve, kept));
		return "disk-short";
	}
	if (pool_is_unfinished(f)) {
		error_set(ret, EAGAIN,
			  "'%s' is larger than its file system: berth pool grow (or berth "
			  "pool auto, every minute) gives it the rest",
			  f->name);
		return "unfinished";
	}
	return "ok";
}

/* ---- JSON ---- */

#define BYTES(n) ((json_int_t)(n))

static json_t *disk_json(const struct pool_figures *f, const struct pool_policy *policy)
{
	if (f->device)
		return json_null();
	return json_pack("{s:s, s:I, s:I, s:I, s:b, s:b}", "type", f->disk_type, "size",
			 BYTES(f->disk_total), "free", BYTES(f->disk_free), "reserve",
			 BYTES(policy->reserve), "short", pool_is_short(f, policy->reserve),
			 "below_reserve", f->disk_free < policy->reserve);
}

static json_t *status_json(const struct pool_now *now, const struct pool_policy *policy,
			   const struct quota_state *quota)
{
	const struct pool_figures *f = &now->figures;
	struct error said = ERROR_INIT;
	const char *word = verdict(f, policy, &said);
	json_t *value = json_pack(
		"{s:s, s:s, s:s, s:I, s:{s:I, s:I, s:I, s:i}, s:o, s:{s:b, s:b}, s:s, s:s?}",
		"kind", f->device ? "device" : "image", "path", now->name, "device", now->device,
		"size", BYTES(f->size), "filesystem", "size", BYTES(f->data), "used",
		BYTES(f->used), "free", BYTES(f->total - f->used), "used_percent",
		(int)pool_used_percent(f), "disk", disk_json(f, policy), "quota", "accounting",
		quota->accounting, "enforcement", quota->enforcement, "verdict", word, "message",
		said.code ? said.message : NULL);

	if (!value)
		return NULL;
	(void)json_object_set_new(
		value, "growth",
		json_pack("{s:b, s:I, s:I, s:I, s:I, s:b}", "by_policy", policy->grow_at != 0,
			  "at_percent", BYTES(policy->grow_at), "by", BYTES(policy->grow_by),
			  "max_size", BYTES(policy->max_size), "room", BYTES(room(f, policy)),
			  "unfinished", pool_is_unfinished(f)));
	if (!f->device) {
		(void)json_object_set_new(value, "allocated", json_integer(BYTES(f->allocated)));
		(void)json_object_set_new(value, "sparse", json_boolean(pool_promised(f) != 0));
	}
	return value;
}

/* ---- text ---- */

static void print_image(const struct pool_figures *f, const struct pool_policy *policy)
{
	char a[UNITS_MAX], b[UNITS_MAX], c[UNITS_MAX];

	printf("%-12s %s, %s of it allocated: %s\n", "image", size_format(f->size, a),
	       size_format(f->allocated, b),
	       pool_promised(f) ? "sparse, it takes more as it fills" : "in full");
	printf("%-12s %s of %s, %s free, %s of them in reserve\n", "disk below", f->disk_type,
	       size_format(f->disk_total, a), size_format(f->disk_free, b),
	       size_format(policy->reserve, c));
}

static void print_growth(const struct pool_figures *f, const struct pool_policy *policy)
{
	char by[UNITS_MAX], most[UNITS_MAX], more[UNITS_MAX];

	if (f->device)
		printf("%-12s by itself when the device has grown\n", "growth");
	else if (policy->grow_at)
		printf("%-12s by itself at %" PRIu64 "%% used, by %s, up to %s (%s more now)\n",
		       "growth", policy->grow_at, size_format(policy->grow_by, by),
		       policy->max_size ? size_format(policy->max_size, most) : "what the disk has",
		       size_format(room(f, policy), more));
	else
		printf("%-12s not by itself (pool.grow_at is 0); there is room for %s more\n",
		       "growth", size_format(pool_room(f, policy->reserve), more));
}

static void print_text(const struct pool_now *now, const struct pool_policy *policy,
		       const struct quota_state *quota)
{
	const struct pool_figures *f = &now->figures;
	struct error said = ERROR_INIT;
	char a[UNITS_MAX], b[UNITS_MAX], c[UNITS_MAX];

	printf("%-12s %s%s%s\n", "pool", now->name, f->device ? "" : " on ",
	       f->device ? "" : now->device);
	printf("%-12s %s, %s used, %s free (%u%% used)\n", "file system", size_format(f->data, a),
	       size_format(f->used, b), size_format(f->total - f->used, c), pool_used_percent(f));
	if (f->device)
		printf("%-12s %s\n", "device", size_format(f->size, a));
	else
		print_image(f, policy);
	print_growth(f, policy);
	printf("%-12s accounting %s, enforcement %s\n", "quota", quota->accounting ? "on" : "off",
	       quota->enforcement ? "on" : "off");
	if (strcmp(verdict(f, policy, &said), "ok") != 0)
		printf("%-12s %s\n", "attention", said.message);
}

int pool_status_print(const struct arguments *args, const struct spec *spec,
		      const struct pool_now *now)
{
	const struct pool_policy policy = pool_policy_of(spec);
	struct quota_state quota = { 0 };
	struct error err = ERROR_INIT;

	if (quota_get_state(now->dir_fd, &quota, &err) < 0)
		return cli_fail(args, &err);
	if (args->json) {
		_cleanup_json_ json_t *value = status_json(now, &policy, &quota);

		return cli_print_json(value);
	}
	print_text(now, &policy, &quota);
	return EXIT_DONE;
}
