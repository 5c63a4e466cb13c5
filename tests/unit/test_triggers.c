#include "apt_fixture.h"

#include "change/triggers.h"

#define PACKAGE(state) "Package: initramfs-tools\nStatus: install ok " state "\nVersion: 0.142\n\n"

static void what_is_pending_is_run(void **state)
{
	static const struct {
		const char *status;
		bool run;
	} TABLE[] = {
		{ PACKAGE("installed"), false },
		{ PACKAGE("triggers-pending"), true },
		{ PACKAGE("triggers-awaited"), true },
		{ PACKAGE("half-configured"), true }, /* of triggers that failed in a run before */
		{ "Package: x\nStatus: deinstall ok config-files\nVersion: 1\n\n", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(TABLE); i++) {
		put_apt();
		put("/calls", "");
		put(STATUS, TABLE[i].status);
		must(triggers_finish(&ctx, &must_err));
		assert_string_equal(call(0), TABLE[i].run ?
						     "dpkg --force-confdef --force-confold --configure -a" :
						     "");
	}
}

static void failure_is_told(void **state)
{
	struct error err = ERROR_INIT;

	put_apt();
	put(STATUS, PACKAGE("triggers-pending"));
	put("/fail.dpkg", "update-initramfs: failed for /boot/initrd.img-6.1\n");
	assert_int_equal(triggers_finish(&ctx, &err), -EPROTO);
	assert_string_equal(err.message,
			    "dpkg failed: update-initramfs: failed for /boot/initrd.img-6.1");
}

static void hosts_without_dpkg(void **state)
{
	os = (struct os){ .packages = PACKAGES_DNF };
	must(triggers_finish(&ctx, &must_err));
	os = (struct os){ .packages = PACKAGES_NONE };
	must(triggers_finish(&ctx, &must_err));
	assert_string_equal(call(0), "");
}

static void a_folder_has_nothing_beside(void **state)
{
	put_apt();
	put(STATUS, PACKAGE("triggers-pending"));
	triggers_start(&ctx);
	assert_int_equal(ctx.triggers.pid, 0);
	triggers_wait(&ctx);
	assert_string_equal(call(0), "");
}

static int note(void *userdata, struct error *err)
{
	put("/noted", "");
	return userdata ? error_set(err, EIO, "it went wrong") : 0;
}

/* What was begun is waited for, and its failure is the result; `pending` is then not asked. */
static void what_was_begun_is_waited_for(void **state)
{
	struct error err = ERROR_INIT;
	int wrong = 1;

	put_apt();
	put(STATUS, PACKAGE("installed"));
	must(beside_start(note, NULL, &ctx.triggers, &must_err));
	must(triggers_finish(&ctx, &must_err));
	assert_true(host_exists(&host, "/noted"));
	must(beside_start(note, &wrong, &ctx.triggers, &must_err));
	assert_int_equal(triggers_finish(&ctx, &err), -EIO);
	assert_string_equal(err.message, "it went wrong");
	must(beside_start(note, &wrong, &ctx.triggers, &must_err));
	triggers_wait(&ctx);
	assert_int_equal(ctx.triggers.pid, 0);
	assert_string_equal(call(0), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		change_test(what_is_pending_is_run),	  change_test(failure_is_told),
		change_test(hosts_without_dpkg),	  change_test(a_folder_has_nothing_beside),
		change_test(what_was_begun_is_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
