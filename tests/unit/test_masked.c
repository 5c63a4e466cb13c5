#include "host_fixture.h"

#include "change/masked.h"

#define ETC "/etc/systemd/system/"
#define RUN "/run/systemd/system/"

static int setup(void **state)
{
	int r = test_setup(state);

	must(host_mkdirs(&host, "/etc/systemd/system", 0755, NULL, &must_err));
	must(host_mkdirs(&host, "/run/systemd/system", 0755, NULL, &must_err));
	return r;
}

static void as_systemctl_does_it(void **state)
{
	assert_false(masked_is(&host, "docker.service"));
	must(host_symlink(&host, "/dev/null", ETC "docker.service", &must_err));
	must(host_symlink(&host, "/dev/null", RUN "containerd.service", &must_err));
	assert_true(masked_is(&host, "docker.service"));
	assert_true(masked_is(&host, "containerd.service"));
	assert_string_equal(masked_part(&host, "docker.service"), "docker.service");
	assert_null(masked_part(&host, "sysbox.service"));
}

static void by_an_empty_file(void **state)
{
	put(ETC "docker.service", "");
	assert_true(masked_is(&host, "docker.service"));
	put(ETC "docker.service", "[Unit]\n");
	assert_false(masked_is(&host, "docker.service"));
}

/* The administrator's own file is before what only lasts until the next boot. */
static void what_hides_a_mask(void **state)
{
	must(host_symlink(&host, "/dev/null", RUN "docker.service", &must_err));
	put(ETC "docker.service", "[Unit]\n");
	assert_false(masked_is(&host, "docker.service"));
	assert_int_equal(unlink(real(ETC "docker.service")), 0);
	/* As `systemctl enable` and `systemctl link` make them. */
	must(host_symlink(&host, "/opt/docker.service", ETC "docker.service", &must_err));
	assert_false(masked_is(&host, "docker.service"));
}

static void one_half_of_sysbox(void **state)
{
	must(host_symlink(&host, "/dev/null", RUN "sysbox-mgr.service", &must_err));
	assert_false(masked_is(&host, "sysbox.service"));
	assert_string_equal(masked_part(&host, "sysbox.service"), "sysbox-mgr.service");
	assert_null(masked_part(&host, "docker.service"));
}

#define masked_test(f) cmocka_unit_test_setup_teardown(f, setup, test_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		masked_test(as_systemctl_does_it),
		masked_test(by_an_empty_file),
		masked_test(what_hides_a_mask),
		masked_test(one_half_of_sysbox),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
