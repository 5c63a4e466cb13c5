/* For the tests of kinds of change: a context on a rooted host, and a change's whole life. */
#ifndef TESTS_CHANGE_FIXTURE_H
#define TESTS_CHANGE_FIXTURE_H

#include "host_fixture.h"

#include "change/plan.h"

static struct os os;
static struct change_context ctx;
static struct plan plan;
static json_t *before, *after;
static struct strbuf why;

_maybe_ static int change_setup(void **state)
{
	int r = test_setup(state);

	ctx = (struct change_context){
		.host = &host,
		.os = &os,
		.package_lock_ms = 0,
		.packages_ms = 60000,
		.download_ms = 60000,
		.services_ms = 60000,
	};
	os = (struct os){ .packages = PACKAGES_APT };
	plan.step = "test";
	return r;
}

_maybe_ static void forget_change(void)
{
	json_decref(TAKE_PTR(before));
	json_decref(TAKE_PTR(after));
	strbuf_release(&why);
}

_maybe_ static int change_teardown(void **state)
{
	forget_change();
	plan_release(&plan);
	change_context_release(&ctx);
	return test_teardown(state);
}

/* The change as it was planned, NULL when it holds already. */
_maybe_ static const struct change *plan_one(const struct change_kind *kind, const char *target,
					     json_t *want)
{
	int r = plan_add(&plan, &ctx, kind, target, want, NULL, NULL, &must_err);

	if (r < 0)
		fail_msg("%s", must_err.message);
	return r ? &plan.items[plan.len - 1] : NULL;
}

/* As the journal would have it done. */
_maybe_ static void make_it_so(const struct change *change)
{
	forget_change();
	must(change->kind->capture(&ctx, change, &before, &must_err));
	must(change->kind->apply(&ctx, change, before, &after, &must_err));
	assert_non_null(before);
	assert_non_null(after);
	assert_int_equal(change->kind->holds(&ctx, change, &must_err), 1);
}

_maybe_ static int try_undo(const struct change *change, enum undo_outcome *ret, struct error *err)
{
	const struct change_record record = {
		.target = change->target,
		.want = change->want,
		.before = before,
		.after = after,
	};

	strbuf_release(&why);
	*ret = (enum undo_outcome) - 1;
	return change->kind->undo(&ctx, &record, ret, &why, err);
}

_maybe_ static enum undo_outcome undo_it(const struct change *change)
{
	enum undo_outcome outcome;

	must(try_undo(change, &outcome, &must_err));
	/* A reason where something was left, and only there. */
	assert_int_equal(outcome == UNDO_LEFT, why.len > 0);
	return outcome;
}

/* What the plan shows of it; good until the next. */
_maybe_ static const char *described(const struct change *change)
{
	static struct strbuf text;

	strbuf_release(&text);
	must(change->kind->describe(&ctx, change, &text, &must_err));
	return strbuf_str(&text);
}

#define change_test(f) cmocka_unit_test_setup_teardown(f, change_setup, change_teardown)

#endif
