#include "step_fixture.h"

/* The names that are planned, joined; "" for none. */
static const char *planned(void)
{
	static char text[256];
	const struct change *c;
	json_t *value;
	size_t i;

	must(plan_step(&step_docker, &must_err));
	c = plan_find(&plan, &change_packages, NULL);
	text[0] = '\0';
	json_array_foreach(json_object_get(c ? c->want : NULL, "packages"), i, value) {
		size_t n = strlen(text);

		(void)snprintf(text + n, sizeof(text) - n, "%s%s", i ? " " : "",
			       json_string_value(value));
	}
	return text;
}

static void by_system(void **state)
{
	static const struct {
		const char *os, *packages;
	} TABLE[] = {
		{ "ID=debian\nVERSION_ID=12\n", "docker.io" },
		{ "ID=debian\nVERSION_ID=13\n", "docker.io docker-cli" },
		{ "ID=ubuntu\nVERSION_ID=24.04\nID_LIKE=debian\n", "docker.io" },
		{ "ID=fedora\nVERSION_ID=41\n", "moby-engine" },
		{ "ID=amzn\nVERSION_ID=2023\nID_LIKE=fedora\n", "docker" },
		/* None of their own: it is Docker's, or nothing. */
		{ "ID=rhel\nVERSION_ID=9.4\nID_LIKE=fedora\n", "docker-ce" },
		{ "ID=rocky\nVERSION_ID=8.10\nID_LIKE=\"rhel centos fedora\"\n", "docker-ce" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(TABLE); i++) {
		set_os(TABLE[i].os, "x86_64");
		assert_string_equal(planned(), TABLE[i].packages);
	}
}

static void dockers_own_repository(void **state)
{
	set_os("ID=fedora\nVERSION_ID=41\n", "x86_64");
	put("/etc/yum.repos.d/docker-ce.repo", "[docker-ce-stable]\n");
	assert_string_equal(planned(), "docker-ce");
	set_os("ID=debian\nVERSION_ID=13\n", "x86_64");
	put("/etc/apt/sources.list.d/docker.list", "");
	assert_string_equal(planned(), "docker-ce");
}

static void by_name(void **state)
{
	free(spec.docker.package);
	spec.docker.package = strdup("moby-engine");
	assert_string_equal(planned(), "moby-engine");
	step.facts.docker_package = strdup("docker-ce");
	assert_string_equal(planned(), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		step_test(by_system),
		step_test(dockers_own_repository),
		step_test(by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
