#include "change/plan.h"

#include "base/digest.h"

void change_release(struct change *change)
{
	free(change->step);
	free(change->target);
	json_decref(change->want);
	free(change->data);
	free(change->interrupts);
	free(change->why);
	*change = (struct change){ 0 };
}

void plan_release(struct plan *plan)
{
	for (size_t i = 0; i < plan->len; i++)
		change_release(&plan->items[i]);
	free(plan->items);
	*plan = PLAN_INIT;
}

void plan_remove(struct plan *plan, size_t index)
{
	change_release(&plan->items[index]);
	plan->len--;
	memmove(&plan->items[index], &plan->items[index + 1],
		(plan->len - index) * sizeof(*plan->items));
}

static int append(struct plan *plan, struct change *change)
{
	struct change *items = reallocarray(plan->items, plan->len + 1, sizeof(*items));

	if (!items)
		return -ENOMEM;
	plan->items = items;
	plan->items[plan->len++] = *change;
	*change = (struct change){ 0 };
	return 0;
}

static int copy_text(char **to, const char *from)
{
	if (!from)
		return 0;
	*to = strdup(from);
	return *to ? 0 : -ENOMEM;
}

static int add_unless_holds(struct plan *plan, struct change_context *ctx, struct change *change,
			    struct error *err)
{
	int r = change->kind->holds(ctx, change, err);

	if (r < 0)
		return r;
	if (r > 0 && !plan->keep_all)
		return 0;
	r = append(plan, change);
	return r < 0 ? error_errno(err, r, "add to the plan") : 1;
}

static int fill(struct plan *plan, struct change *change, const char *target,
		const char *interrupts, const char *why, struct error *err)
{
	if (!change->want || copy_text(&change->step, plan->step ? plan->step : "") < 0 ||
	    copy_text(&change->target, target) < 0 || copy_text(&change->why, why) < 0 ||
	    copy_text(&change->interrupts, interrupts) < 0)
		return error_errno(err, ENOMEM, "plan '%s'", target);
	return 0;
}

int plan_add(struct plan *plan, struct change_context *ctx, const struct change_kind *kind,
	     const char *target, json_t *want, const char *interrupts, const char *why,
	     struct error *err)
{
	_cleanup_(change_release) struct change change = { .kind = kind, .want = want };
	int r = fill(plan, &change, target, interrupts, why, err);

	return r < 0 ? r : add_unless_holds(plan, ctx, &change, err);
}

int plan_file(struct plan *plan, struct change_context *ctx, const char *path, const char *content,
	      mode_t mode, const char *why, struct error *err)
{
	_cleanup_(change_release) struct change change = { .kind = &change_file };
	char sha256[DIGEST_HEX_MAX];
	int r;

	digest_hex(content, strlen(content), sha256);
	change.want = json_pack("{s:s, s:i}", "sha256", sha256, "mode", (int)mode);
	change.data = strdup(content);
	change.data_len = strlen(content);
	r = fill(plan, &change, path, NULL, why, err);
	if (r == 0 && !change.data)
		r = error_errno(err, ENOMEM, "plan '%s'", path);
	return r < 0 ? r : add_unless_holds(plan, ctx, &change, err);
}

const struct change *plan_find(const struct plan *plan, const struct change_kind *kind,
			       const char *target)
{
	for (size_t i = 0; i < plan->len; i++) {
		if (plan->items[i].kind == kind &&
		    (!target || strcmp(plan->items[i].target, target) == 0))
			return &plan->items[i];
	}
	return NULL;
}
