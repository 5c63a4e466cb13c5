#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/units.h"
#include "change/pool_policy.h"

#define GIB ((uint64_t)1 << 30)
#define MIB ((uint64_t)1 << 20)

/* 50G in full, on a disk of 200G with 40G free. */
static struct pool_figures image(void)
{
	return (struct pool_figures){
		.name = "/var/lib/docker-xfs.img",
		.data = 50 * GIB,
		.size = 50 * GIB,
		.allocated = 50 * GIB + 4096,
		.total = 50 * GIB,
		.used = 10 * GIB,
		.disk_total = 200 * GIB,
		.disk_free = 40 * GIB,
		.disk_type = "ext4",
	};
}

static struct pool_figures device(void)
{
	return (struct pool_figures){
		.name = "/dev/sdb",
		.device = true,
		.data = 50 * GIB,
		.size = 50 * GIB,
		.total = 50 * GIB,
		.used = 49 * GIB,
	};
}

static struct pool_policy defaults(void)
{
	return (struct pool_policy){ .grow_at = 80, .grow_by = 10 * GIB, .reserve = 2 * GIB };
}

static void says(const struct error *err, const char *part)
{
	if (!strstr(err->message, part))
		fail_msg("'%s' does not say '%s'", err->message, part);
}

/* ---- figures ---- */

static void percent_is_rounded_down(void **state)
{
	static const struct {
		uint64_t used, total;
		unsigned percent;
	} CASES[] = {
		{ 0, 0, 0 },
		{ 5, 0, 0 },
		{ 0, GIB, 0 },
		{ 799, 1000, 79 },
		{ 800, 1000, 80 },
		{ 1000, 1000, 100 },
		{ 2000, 1000, 100 },
		{ 1ULL << 50, 1ULL << 51, 50 }, /* more than there is to be had */
	};

	for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
		struct pool_figures f = image();

		f.used = CASES[i].used;
		f.total = CASES[i].total;
		assert_int_equal(pool_used_percent(&f), CASES[i].percent);
	}
}

static void what_is_promised_is_no_room(void **state)
{
	struct pool_figures f = image();

	assert_int_equal(pool_promised(&f), 0);
	assert_int_equal(pool_room(&f, 2 * GIB), 38 * GIB);
	assert_int_equal(pool_room(&f, 40 * GIB), 0);
	assert_int_equal(pool_room(&f, 41 * GIB), 0);
	assert_false(pool_is_short(&f, 41 * GIB));
	f.allocated = 20 * GIB;
	assert_int_equal(pool_promised(&f), 30 * GIB);
	assert_int_equal(pool_room(&f, 2 * GIB), 8 * GIB);
	assert_int_equal(pool_room(&f, 10 * GIB), 0);
	assert_false(pool_is_short(&f, 10 * GIB));
	assert_true(pool_is_short(&f, 10 * GIB + 1));
	f.disk_free = GIB;
	assert_int_equal(pool_room(&f, 0), 0);
	f = device();
	assert_int_equal(pool_room(&f, 0), 0);
	assert_false(pool_is_short(&f, 0));
}

static void a_tail_is_not_unfinished(void **state)
{
	struct pool_figures f = image();

	f.size = f.data + POOL_SLACK - 1;
	assert_false(pool_is_unfinished(&f));
	f.size++;
	assert_true(pool_is_unfinished(&f));
	f.size = f.data - 4096; /* never seen; not to be taken for a huge one */
	assert_false(pool_is_unfinished(&f));
}

static void alerts_while_the_image_needs_the_disk(void **state)
{
	struct pool_figures f = image();
	struct error err = ERROR_INIT;

	f.disk_free = GIB;
	assert_int_equal(pool_check_disk(&f, 2 * GIB, &err), 0); /* it has all of its blocks */
	f.allocated = 40 * GIB;
	assert_int_equal(pool_check_disk(&f, GIB, &err), 0);
	assert_int_equal(pool_check_disk(&f, 2 * GIB, &err), -ENOSPC);
	says(&err, "the disk below the pool runs full: 1G are free on the ext4 file system of "
		   "'/var/lib/docker-xfs.img', less than the reserve of 2G, and 10G of the image");
	says(&err, "free space there now");
	f = device();
	assert_int_equal(pool_check_disk(&f, 2 * GIB, NULL), 0);
}

/* ---- asked for ---- */

static int ask(const struct pool_figures *f, const char *size, uint64_t *ret, struct error *err)
{
	*ret = 42;
	return pool_policy_ask(f, size, 2 * GIB, ret, err);
}

static void sizes_that_are_taken(void **state)
{
	static const struct {
		const char *size;
		uint64_t target;
	} CASES[] = {
		{ "80G", 80 * GIB },
		{ "+10G", 60 * GIB },
		{ "88G", 88 * GIB },
		{ "+38G", 88 * GIB },
		{ "+16M", 50 * GIB + 16 * MIB },
		{ "60000000K", 57 * GIB + 225 * MIB },
	};
	const struct pool_figures f = image();
	uint64_t target;

	for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
		struct error err = ERROR_INIT;

		if (ask(&f, CASES[i].size, &target, &err) != 1)
			fail_msg("%s: %s", CASES[i].size, err.message);
		assert_int_equal(target, CASES[i].target);
	}
	assert_int_equal(ask(&f, "50G", &target, NULL), 0);
	assert_int_equal(ask(&f, "+0", &target, NULL), 0);
	assert_int_equal(target, 42);
}

static void sizes_that_are_refused(void **state)
{
	static const struct {
		const char *size;
		int code;
		const char *says;
	} CASES[] = {
		{ "", EINVAL, "'' is not a size: write 80G, or +10G" },
		{ "+", EINVAL, "'+' is not a size" },
		{ "-10G", EINVAL, "'-10G' is not a size" },
		{ "80GB", EINVAL, "'80GB' is not a size" },
		{ "++10G", EINVAL, "is not a size" },
		{ "+18446744073709551615", ERANGE, "is not a size" },
		{ "99999999999G", ERANGE, "is not a size" },
		{ "+1M", EINVAL, "has 50G: it grows by 16M or more" },
		{ "49G", EINVAL, "has 50G, and XFS does not shrink to 49G: run berth uninstall" },
		{ "1", EINVAL, "does not shrink" },
		{ "+39G", ENOSPC,
		  "to grow to 89G: that is 39G more, and of the 40G free on the ext4" },
		{ "1000T", ENOSPC,
		  "2G are the reserve and 0B promised to the image already, which "
		  "leaves 38G: free space there, or ask for less" },
		{ NULL, EINVAL, "say how large '/var/lib/docker-xfs.img' shall be (it has 50G)" },
	};
	const struct pool_figures f = image();
	uint64_t target;

	for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
		struct error err = ERROR_INIT;

		assert_int_equal(ask(&f, CASES[i].size, &target, &err), -CASES[i].code);
		says(&err, CASES[i].says);
		assert_int_equal(target, 42);
	}
}

static void shrinking_is_refused_with_the_way(void **state)
{
	struct pool_figures f = image();
	struct error err = ERROR_INIT;
	uint64_t target;

	assert_int_equal(ask(&f, "20G", &target, &err), -EINVAL);
	says(&err, "set pool.size to 20G, and run berth install");
	says(&err, "Docker's data and sandboxes' inner data go back to /var/lib, where both must fit");
	f = device();
	assert_int_equal(ask(&f, "20G", &target, &err), -EINVAL);
	says(&err, "name a smaller device in pool.device");
	says(&err, "Docker's data and sandboxes' inner data go back to /var/lib, where both must fit");
}

static void a_cut_growth_is_finished(void **state)
{
	struct pool_figures f = image();
	uint64_t target;

	f.size = 60 * GIB;
	f.allocated = 60 * GIB;
	assert_int_equal(ask(&f, NULL, &target, NULL), 1);
	assert_int_equal(target, 60 * GIB);
	assert_int_equal(ask(&f, "60G", &target, NULL), 1);
	assert_int_equal(target, 60 * GIB);
	assert_int_equal(ask(&f, "70G", &target, NULL), 1);
	assert_int_equal(target, 70 * GIB);
	/* The image cannot be cut back: its loop device may know of it. */
	assert_int_equal(ask(&f, "55G", &target, NULL), -EINVAL);
}

static void a_sparse_image_has_less_room(void **state)
{
	struct pool_figures f = image();
	struct error err = ERROR_INIT;
	uint64_t target;

	f.allocated = 15 * GIB;
	assert_int_equal(ask(&f, "+3G", &target, NULL), 1);
	assert_int_equal(ask(&f, "+4G", &target, &err), -ENOSPC);
	says(&err, "2G are the reserve and 35G promised to the image already, which leaves 3G");
}

static void a_device_is_its_own_bound(void **state)
{
	struct pool_figures f = device();
	struct error err = ERROR_INIT;
	uint64_t target;

	assert_int_equal(ask(&f, NULL, &target, NULL), 0);
	assert_int_equal(ask(&f, "50G", &target, NULL), 0);
	assert_int_equal(ask(&f, "80G", &target, &err), -ERANGE);
	says(&err,
	     "'/dev/sdb' has 50G, so its file system cannot have 80G: enlarge the device, then");
}

static void a_device_that_grew(void **state)
{
	struct pool_figures f = device();
	uint64_t target;

	f.size = 100 * GIB + 512;
	assert_int_equal(ask(&f, NULL, &target, NULL), 1);
	assert_int_equal(target, f.size);
	assert_int_equal(ask(&f, "80G", &target, NULL), 1);
	assert_int_equal(target, 80 * GIB);
	assert_int_equal(ask(&f, "+10G", &target, NULL), 1);
	assert_int_equal(target, 60 * GIB);
	assert_int_equal(ask(&f, "101G", &target, NULL), -ERANGE);
	assert_int_equal(ask(&f, "40G", &target, NULL), -EINVAL);
}

/* ---- by policy ---- */

static void grows_at_the_mark(void **state)
{
	struct pool_figures f = image();
	struct pool_policy policy = defaults();
	uint64_t target = 42;

	f.used = 40 * GIB - 1;
	assert_int_equal(pool_policy_auto(&f, &policy, &target, NULL), 0);
	assert_int_equal(target, 42);
	f.used++;
	assert_int_equal(pool_policy_auto(&f, &policy, &target, NULL), 1);
	assert_int_equal(target, 60 * GIB);
	policy.grow_at = 0;
	f.used = f.total;
	assert_int_equal(pool_policy_auto(&f, &policy, &target, NULL), 0);
}

static void grows_by_what_there_is(void **state)
{
	struct pool_figures f = image();
	struct pool_policy policy = defaults();
	struct error err = ERROR_INIT;
	uint64_t target;

	f.used = 45 * GIB;
	f.disk_free = 5 * GIB + 4096;
	assert_int_equal(pool_policy_auto(&f, &policy, &target, NULL), 1);
	assert_int_equal(target, 53 * GIB);
	f.disk_free = 2 * GIB + POOL_GROW_MIN;
	assert_int_equal(pool_policy_auto(&f, &policy, &target, NULL), 1);
	assert_int_equal(target, 50 * GIB + POOL_GROW_MIN);
	f.disk_free--;
	assert_int_equal(pool_policy_auto(&f, &policy, &target, &err), -ENOSPC);
	says(&err, "the pool is 90% full: no room for '/var/lib/docker-xfs.img' to grow to 60G");
	f.disk_free = 0;
	assert_int_equal(pool_policy_auto(&f, &policy, &target, &err), -ENOSPC);
}

static void stops_at_max_size(void **state)
{
	struct pool_figures f = image();
	struct pool_policy policy = defaults();
	struct error err = ERROR_INIT;
	uint64_t target;

	f.used = 45 * GIB;
	policy.max_size = 55 * GIB;
	assert_int_equal(pool_policy_auto(&f, &policy, &target, NULL), 1);
	assert_int_equal(target, 55 * GIB);
	policy.max_size = 50 * GIB;
	assert_int_equal(pool_policy_auto(&f, &policy, &target, &err), -EDQUOT);
	says(&err, "the pool is 90% full, and '/var/lib/docker-xfs.img' has 50G, as much as "
		   "pool.max_size allows: raise it");
	policy.max_size = 20 * GIB; /* somebody asked for more, or the setting changed */
	assert_int_equal(pool_policy_auto(&f, &policy, &target, &err), -EDQUOT);
	f.used = 10 * GIB;
	assert_int_equal(pool_policy_auto(&f, &policy, &target, &err), 0);
}

static void the_disk_comes_first(void **state)
{
	struct pool_figures f = image();
	struct pool_policy policy = defaults();
	struct error err = ERROR_INIT;
	uint64_t target = 42;

	f.allocated = 10 * GIB;
	f.disk_free = 2 * GIB - 1;
	assert_int_equal(pool_policy_auto(&f, &policy, &target, &err), -ENOSPC);
	says(&err, "the disk below the pool runs full");
	f.size = 60 * GIB;
	assert_int_equal(pool_policy_auto(&f, &policy, &target, NULL), -ENOSPC);
	f.disk_free = 2 * GIB;
	assert_int_equal(pool_policy_auto(&f, &policy, &target, NULL), 1);
	assert_int_equal(target, 60 * GIB);
}

static void devices_grow_when_they_have_grown(void **state)
{
	struct pool_figures f = device();
	struct pool_policy policy = defaults();
	uint64_t target;

	assert_int_equal(pool_policy_auto(&f, &policy, &target, NULL), 0);
	f.size = 100 * GIB;
	policy.grow_at = 0;
	assert_int_equal(pool_policy_auto(&f, &policy, &target, NULL), 1);
	assert_int_equal(target, 100 * GIB);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(percent_is_rounded_down),
		cmocka_unit_test(what_is_promised_is_no_room),
		cmocka_unit_test(a_tail_is_not_unfinished),
		cmocka_unit_test(alerts_while_the_image_needs_the_disk),
		cmocka_unit_test(sizes_that_are_taken),
		cmocka_unit_test(sizes_that_are_refused),
		cmocka_unit_test(shrinking_is_refused_with_the_way),
		cmocka_unit_test(a_cut_growth_is_finished),
		cmocka_unit_test(a_sparse_image_has_less_room),
		cmocka_unit_test(a_device_is_its_own_bound),
		cmocka_unit_test(a_device_that_grew),
		cmocka_unit_test(grows_at_the_mark),
		cmocka_unit_test(grows_by_what_there_is),
		cmocka_unit_test(stops_at_max_size),
		cmocka_unit_test(the_disk_comes_first),
		cmocka_unit_test(devices_grow_when_they_have_grown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
