#include <setjmp.h>
#include <stdarg.h>

#include "base/digest.h"
#include "base/strv.h"
#include "spec/spec.h"
#include "step/pins.h"

#include <cmocka.h>

static void every_version_named_has_a_pin(void **state)
{
	_cleanup_(strv_release) struct strv versions = STRV_INIT;

	assert_int_equal(strv_split(&versions, sysbox_pinned_versions(), ", "), 0);
	assert_true(versions.len > 0);
	strv_foreach (&versions, i, version) {
		const char *amd64 = sysbox_pin(version, "amd64");
		const char *arm64 = sysbox_pin(version, "arm64");

		if (!amd64 && !arm64)
			fail_msg("there is no pin of %s", version);
		assert_true(!amd64 || digest_valid(amd64));
		assert_true(!arm64 || digest_valid(arm64));
	}
}

static void the_default_version_is_pinned_everywhere(void **state)
{
	_cleanup_(spec_release) struct spec spec = SPEC_INIT;

	assert_int_equal(spec_default(&spec, NULL), 0);
	assert_non_null(sysbox_pin(spec.sysbox.version, "amd64"));
	assert_non_null(sysbox_pin(spec.sysbox.version, "arm64"));
	assert_string_not_equal(sysbox_pin(spec.sysbox.version, "amd64"),
				sysbox_pin(spec.sysbox.version, "arm64"));
}

static void what_is_not_known(void **state)
{
	assert_null(sysbox_pin("0.7.1", "riscv64"));
	assert_null(sysbox_pin("0.7.1", "x86_64"));
	assert_null(sysbox_pin("0.7", "amd64"));
	assert_null(sysbox_pin("0.7.10", "amd64"));
	assert_null(sysbox_pin("", ""));
}

static void the_official_place(void **state)
{
	_cleanup_free_ char *url = sysbox_official_url("0.7.1", "arm64");

	assert_string_equal(url, "https://downloads.nestybox.com/sysbox/releases/v0.7.1/"
				 "sysbox-ce_0.7.1-0.linux_arm64.deb");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_version_named_has_a_pin),
		cmocka_unit_test(the_default_version_is_pinned_everywhere),
		cmocka_unit_test(what_is_not_known),
		cmocka_unit_test(the_official_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
