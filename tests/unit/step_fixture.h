/* For the tests of steps: a step's context on a rooted Debian 12 with systemd, settings by default.
 */
#ifndef TESTS_STEP_FIXTURE_H
#define TESTS_STEP_FIXTURE_H

#include "host_fixture.h"

#include "step/step.h"
#include "step/table.h"

static struct spec spec;
static struct step_context step;
static struct plan plan;
static struct report report;

_maybe_ static void set_os(const char *text, const char *arch)
{
	os_clear(&step.os);
	must(os_parse(text, strlen(text), &step.os, &must_err));
	step.os.arch = strdup(arch);
	step.os.kernel = strdup("6.1.0-26-amd64");
}

/* Facts that only an opened host has: `recorded` is read then. */
_maybe_ static void put_recorded(const char *facts)
{
	char dir[512];

	(void)snprintf(dir, sizeof(dir), "%s", host.root);
	put("/recorded", facts);
	host_release(&host);
	must(host_open_root(dir, &host, &must_err));
}

_maybe_ static void put_status(const char *text)
{
	package_db_release(&step.facts.packages);
	must(package_db_parse(text, strlen(text), &step.facts.packages, &must_err));
}

_maybe_ static int step_setup(void **state)
{
	int r = test_setup(state);

	unsetenv("XFS_STORAGE_SIZE");
	must(spec_default(&spec, &must_err));
	step = (struct step_context){
		.host = &host,
		.spec = &spec,
		.change = { .host = &host, .os = &step.os, .services_ms = 60000 },
		.self = "/proc/self/exe",
	};
	set_os("ID=debian\nVERSION_ID=12\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n",
	       "x86_64");
	must(host_mkdirs(&host, "/run/systemd/system", 0755, NULL, &must_err));
	put_systemctl();
	return r;
}

_maybe_ static void forget_plan(void)
{
	plan_release(&plan);
	context_changed(&step.change);
}

_maybe_ static int step_teardown(void **state)
{
	forget_plan();
	change_context_release(&step.change);
	report_release(&report);
	facts_release(&step.facts);
	os_clear(&step.os);
	spec_release(&spec);
	return test_teardown(state);
}

/* A fresh plan of that step alone. */
_maybe_ static int plan_step(const struct step *s, struct error *err)
{
	forget_plan();
	plan.step = s->name;
	return s->plan(&step, &plan, err);
}

/* What is planned is made so, without a journal. */
_maybe_ static void carry_out(void)
{
	for (size_t i = 0; i < plan.len; i++) {
		const struct change *c = &plan.items[i];
		_cleanup_json_ json_t *before = NULL;
		_cleanup_json_ json_t *after = NULL;

		must(c->kind->capture(&step.change, c, &before, &must_err));
		must(c->kind->apply(&step.change, c, before, &after, &must_err));
	}
}

_maybe_ static const struct check *check_of(const char *id)
{
	for (size_t i = 0; i < report.len; i++) {
		if (strcmp(report.items[i].id, id) == 0)
			return &report.items[i];
	}
	return NULL;
}

#define assert_verdict(name, expected)                                                             \
	do {                                                                                       \
		const struct check *found = check_of(name);                                        \
		if (!found)                                                                        \
			fail_msg("nothing is said of %s", (name));                                 \
		else if (found->verdict != (expected))                                                  \
			fail_msg("%s: %s: %s", (name), verdict_name(found->verdict), found->text); \
	} while (0)

#define step_test(f) cmocka_unit_test_setup_teardown(f, step_setup, step_teardown)

#endif
