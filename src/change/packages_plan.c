/* Planning packages: all steps' wishes become one transaction. */
#include "change/package_manager.h"
#include "change/packages.h"

#define TRANSACTION "packages"

static struct change *transaction_of(struct plan *plan)
{
	for (size_t i = 0; i < plan->len; i++) {
		if (plan->items[i].kind == &change_packages)
			return &plan->items[i];
	}
	return NULL;
}

/* The transaction of this plan, made when it has none. */
static int transaction(struct plan *plan, struct change_context *ctx, struct change **ret,
		       struct error *err)
{
	int r;

	*ret = transaction_of(plan);
	if (*ret)
		return 0;
	r = plan_add(plan, ctx, &change_packages, TRANSACTION,
		     json_pack("{s:[], s:[], s:b}", "packages", "files", "open", 1), NULL,
		     "one package transaction", err);
	if (r < 0)
		return r;
	*ret = transaction_of(plan);
	if (!*ret)
		return error_set(err, EINVAL, "the package transaction is not in the plan");
	(void)json_object_del((*ret)->want, "open");
	return 0;
}

/* One more package in it. */
static int add_name(struct plan *plan, struct change_context *ctx, const char *name, struct change **ret, struct error *err)
{
	int r = transaction(plan, ctx, ret, err);

	if (r == 0 && json_array_append_new(json_object_get((*ret)->want, "packages"), json_string(name)) < 0)
		r = error_errno(err, ENOMEM, "plan the package '%s'", name);
	return r;
}

int plan_packages(struct plan *plan, struct change_context *ctx, const struct package_db *db,
		  const char *const *names, const char *why, struct error *err)
{
	struct change *change = NULL;
	int added = 0;

	(void)why;
	for (; *names; names++) {
		int r = package_db_installed(db, *names) ? 0 : add_name(plan, ctx, *names, &change, err);

		if (r < 0)
			return r;
		added += !package_db_installed(db, *names);
	}
	return added > 0;
}

int plan_package_of(struct plan *plan, struct change_context *ctx, const struct package_db *db, const char *name,
		    const char *version, struct error *err)
{
	struct change *change = NULL;
	json_t *versions;
	int r;

	if (package_db_has(db, name, version))
		return 0;
	r = add_name(plan, ctx, name, &change, err);
	if (r < 0)
		return r;
	if (!json_object_get(change->want, "versions"))
		(void)json_object_set_new(change->want, "versions", json_object());
	versions = json_object_get(change->want, "versions");
	return json_object_set_new(versions, name, json_string(version)) == 0 ? 1 :
		error_errno(err, ENOMEM, "plan the package '%s'", name);
}

int packages_candidate(struct change_context *ctx, const char *name, char **ret, struct error *err)
{
	const struct package_manager *manager;
	int r = package_manager_of(ctx, &manager, err);

	return r < 0 ? r : manager->candidate(ctx, name, ret, err);
}

int plan_package_file(struct plan *plan, struct change_context *ctx, const struct package_file *file,
		      const char *why, struct error *err)
{
	struct change *change = NULL;
	int r = transaction(plan, ctx, &change, err);

	(void)why;
	if (r < 0)
		return r;
	if (json_array_append_new(json_object_get(change->want, "files"), package_file_want(file)) < 0)
		return error_errno(err, ENOMEM, "plan the package '%s'", file->package);
	return 1;
}
