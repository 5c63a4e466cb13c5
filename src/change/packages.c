/*
 * Packages by the host's package manager (package_manager.h), in one transaction.
 * want: {"packages": [names], "files": [{"package", "version", "url", "file", "sha256", "path"}]}.
 * before: {"installed": [names], "residue": {...}, "settings": daemon.json as a file's state};
 * after: {"added": [names]}.
 */
#include "change/packages.h"

#include "change/backup.h"
#include "change/file_state.h"
#include "change/package_file.h"
#include "change/package_manager.h"
#include "change/residue.h"
#include "change/triggers.h"

#define TRANSACTION "packages"
#define DAEMON_JSON "/etc/docker/daemon.json"

/* ---- planning ---- */

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

int plan_packages(struct plan *plan, struct change_context *ctx, const struct package_db *db,
		  const char *const *names, const char *why, struct error *err)
{
	struct change *change = NULL;
	int added = 0;

	(void)why;
	for (; *names; names++) {
		int r;

		if (package_db_installed(db, *names))
			continue;
		r = transaction(plan, ctx, &change, err);
		if (r < 0)
			return r;
		if (json_array_append_new(json_object_get(change->want, "packages"),
					  json_string(*names)) < 0)
			return error_errno(err, ENOMEM, "plan the package '%s'", *names);
		added = 1;
	}
	return added;
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

/* ---- the kind ---- */

static int read_db(struct change_context *ctx, struct package_db *ret, struct error *err)
{
	return package_db_read(ctx->host, ctx->os->packages, ret, err);
}

static int holds(struct change_context *ctx, const struct change *change, struct error *err)
{
	_cleanup_(package_db_release) struct package_db db = { 0 };
	json_t *value;
	size_t i;
	int r;

	if (json_object_get(change->want, "open"))
		return 0; /* still being put together */
	r = read_db(ctx, &db, err);
	if (r < 0)
		return r;
	json_array_foreach(json_object_get(change->want, "packages"), i, value) {
		if (!package_db_installed(&db, json_string_value(value)))
			return 0;
	}
	json_array_foreach(json_object_get(change->want, "files"), i, value) {
		const struct package *p =
			package_db_find(&db, json_get_string(value, "package"));
		const char *version = json_get_string(value, "version");

		if (!p || !p->installed || strncmp(p->version, version, strlen(version)) != 0)
			return 0;
	}
	return 1;
}

static int describe(struct change_context *ctx, const struct change *change, struct strbuf *out,
		    struct error *err)
{
	json_t *value;
	size_t i;

	(void)ctx;
	(void)err;
	json_array_foreach(json_object_get(change->want, "packages"), i, value)
		strbuf_printf(out, "+ %s (with what it depends on)\n", json_string_value(value));
	json_array_foreach(json_object_get(change->want, "files"), i, value)
		package_file_describe(value, out);
	return 0;
}

static int check_archive(struct change_context *ctx, const char *path, struct error *err)
{
	const char *const argv[] = { "dpkg-deb", "--contents", path, NULL };
	_cleanup_(spawn_result_release) struct spawn_result result = SPAWN_RESULT_INIT;
	struct spawn_options options = { .timeout_ms = 120000, .output_cap = 4096 };
	int r = host_check(ctx->host, argv, &options, &result, err);

	if (r == -EPROTO)
		return error_set(err, EBADMSG, "'%s' is not a whole Debian package (truncated?): "
				 "get it again", path);
	return r;
}

/* Get one package file where apt can read it, whole and right. */
static int prepare_file(struct change_context *ctx, const json_t *value, struct error *err)
{
	int r = package_file_get(ctx, value, err);

	return r < 0 ? r : check_archive(ctx, json_get_string(value, "path"), err);
}

/* What to ask the package manager for; `only` these packages of it (NULL: all). */
static int items_of(const json_t *want, const struct strv *only, struct strv *ret)
{
	json_t *value;
	size_t i;
	int r = 0;

	json_array_foreach(json_object_get(want, "packages"), i, value) {
		if (r == 0 && (!only || strv_contains(only, json_string_value(value))))
			r = strv_add(ret, json_string_value(value));
	}
	json_array_foreach(json_object_get(want, "files"), i, value) {
		if (r == 0 && (!only || strv_contains(only, json_get_string(value, "package"))))
			r = strv_add(ret, json_get_string(value, "path"));
	}
	return r;
}

static int prepare(struct change_context *ctx, const struct change *change, struct error *err)
{
	_cleanup_(strv_release) struct strv items = STRV_INIT;
	json_t *value;
	const struct package_manager *manager;
	size_t i;
	int r = package_manager_of(ctx, &manager, err);

	json_array_foreach(json_object_get(change->want, "files"), i, value) {
		if (r == 0)
			r = prepare_file(ctx, value, err);
	}
	if (r < 0)
		return r;
	if (items_of(change->want, NULL, &items) < 0)
		return error_errno(err, ENOMEM, "prepare the packages");
	return manager->fetch(ctx, &items, err);
}

static json_t *installed_names(const struct package_db *db)
{
	json_t *names = json_array();

	for (size_t i = 0; i < db->len; i++) {
		/* Configuration left of an earlier life counts as there: purging is not ours then. */
		if (db->items[i].installed || db->items[i].configured_only)
			(void)json_array_append_new(names, json_string(db->items[i].name));
	}
	return names;
}

static int capture(struct change_context *ctx, const struct change *change, json_t **ret_before,
		   struct error *err)
{
	_cleanup_(package_db_release) struct package_db db = { 0 };
	_cleanup_json_ json_t *residue = NULL, *settings = NULL;
	int r = read_db(ctx, &db, err);

	(void)change;
	if (r == 0)
		r = residue_capture(ctx->host, &residue, err);
	if (r == 0)
		r = file_state_capture(ctx->host, DAEMON_JSON, &settings, err);
	if (r < 0)
		return r;
	*ret_before = json_pack("{s:o, s:O, s:O}", "installed", installed_names(&db), "residue",
				residue, "settings", settings);
	return *ret_before ? 0 : error_errno(err, ENOMEM, "note the installed packages");
}

static bool any_broken(const struct package_db *db)
{
	for (size_t i = 0; i < db->len; i++) {
		if (db->items[i].broken)
			return true;
	}
	return false;
}

int packages_finish(struct change_context *ctx, struct error *err)
{
	const struct package_manager *manager;
	int r = package_manager_of(ctx, &manager, err);

	if (r == 0 && manager->finish)
		r = manager->finish(ctx, err);
	if (r != -EPROTO)
		return r;
	error_clear(err);
	return 0;
}

static bool is_there(const struct package *p)
{
	return p->installed || p->broken || p->configured_only;
}

static bool is_cut_off(const struct package *p)
{
	return p->broken;
}

/* What is so on the host now, and was not there before. */
static int fresh(struct change_context *ctx, const json_t *before,
		 bool (*is_so)(const struct package *p), struct strv *ret, struct error *err)
{
	_cleanup_(package_db_release) struct package_db db = { 0 };
	const json_t *names = json_object_get(before, "installed");
	int r = read_db(ctx, &db, err);

	for (size_t i = 0; r == 0 && i < db.len; i++) {
		if (is_so(&db.items[i]) && !json_has_string(names, db.items[i].name))
			r = strv_add(ret, db.items[i].name);
	}
	return r;
}

static json_t *to_json(const struct strv *names)
{
	json_t *array = json_array();

	for (size_t i = 0; i < names->len; i++)
		(void)json_array_append_new(array, json_string(names->items[i]));
	return array;
}

int packages_repair(struct change_context *ctx, const json_t *want, const json_t *before,
		    struct error *err)
{
	_cleanup_(strv_release) struct strv added = STRV_INIT, items = STRV_INIT;
	const struct package_manager *manager;
	int r = package_manager_of(ctx, &manager, err);

	if (r == 0)
		r = fresh(ctx, before, is_there, &added, err);
	if (r == 0 && items_of(want, NULL, &items) < 0)
		r = error_errno(err, ENOMEM, "repair the packages");
	return r < 0 ? r : manager->repair(ctx, &items, &added, err);
}

/*
 * Sysbox's maintainer script rewrites daemon.json with jq, and restarts Docker or refuses when it
 * finds the file laid out otherwise than it expects. It is shown jq's layout meanwhile; our bytes
 * come back afterwards.
 */
static int show_jq_layout(struct change_context *ctx, struct file_state *kept, struct error *err)
{
	struct file_attrs attrs;
	_cleanup_json_ json_t *value = NULL;
	_cleanup_free_ char *text = NULL;
	int r = file_state_read(ctx->host, DAEMON_JSON, kept, err);

	if (r < 0 || !kept->exists ||
	    json_parse(kept->data, kept->len, DAEMON_JSON, &value, NULL) < 0)
		return r;
	attrs = (struct file_attrs){ .mode = kept->mode, .uid = kept->uid, .gid = kept->gid };
	text = json_dumps(value, JSON_INDENT(4));
	if (!text)
		return error_errno(err, ENOMEM, "lay out '%s'", DAEMON_JSON);
	return host_write(ctx->host, DAEMON_JSON, text, strlen(text), &attrs, err);
}

static int bring_back(struct change_context *ctx, const struct file_state *kept, struct error *err)
{
	struct file_attrs attrs = { .mode = kept->mode, .uid = kept->uid, .gid = kept->gid };

	if (!kept->exists)
		return 0;
	return host_write(ctx->host, DAEMON_JSON, kept->data, kept->len, &attrs, err);
}

/* Equal as JSON, and not byte for byte? */
static bool only_layout_differs(const struct file_state *now, const char *old, size_t old_len)
{
	_cleanup_json_ json_t *a = NULL, *b = NULL;

	return now->exists && (now->len != old_len || memcmp(now->data, old, old_len) != 0) &&
	       json_parse(now->data, now->len, DAEMON_JSON, &a, NULL) == 0 &&
	       json_parse(old, old_len, DAEMON_JSON, &b, NULL) == 0 && json_equal(a, b);
}

int packages_clean_up(struct change_context *ctx, const json_t *before, struct error *err)
{
	const json_t *settings = json_object_get(before, "settings");
	_cleanup_(file_state_release) struct file_state now = FILE_STATE_INIT;
	_cleanup_free_ char *old = NULL;
	struct file_attrs attrs;
	size_t old_len = 0;
	int r;

	if (!json_get_bool(settings, "exists", false) ||
	    file_state_read(ctx->host, DAEMON_JSON, &now, NULL) < 0)
		return 0;
	r = backup_get(ctx->host, json_get_string(settings, "sha256"), &old, &old_len, err);
	if (r < 0 || !only_layout_differs(&now, old, old_len))
		return r;
	attrs = (struct file_attrs){ .mode = now.mode, .uid = now.uid, .gid = now.gid };
	return host_write(ctx->host, DAEMON_JSON, old, old_len, &attrs, err);
}

static int apply(struct change_context *ctx, const struct change *change, const json_t *before,
		 json_t **ret_after, struct error *err)
{
	_cleanup_(package_db_release) struct package_db db = { 0 };
	_cleanup_(file_state_release) struct file_state kept = FILE_STATE_INIT;
	_cleanup_(strv_release) struct strv items = STRV_INIT, added = STRV_INIT;
	const struct package_manager *manager;
	struct error second = ERROR_INIT;
	int r = package_manager_of(ctx, &manager, err);

	if (r == 0)
		r = read_db(ctx, &db, err);
	if (r == 0)
		r = show_jq_layout(ctx, &kept, err);
	if (r == 0 && any_broken(&db))
		r = packages_finish(ctx, err);
	if (r == 0 && items_of(change->want, NULL, &items) < 0)
		r = error_errno(err, ENOMEM, "install the packages");
	if (r == 0)
		r = manager->install(ctx, &items, err);
	if (bring_back(ctx, &kept, &second) < 0 && r == 0)
		r = error_set(err, second.code, "%s", second.message);
	if (r == 0)
		r = fresh(ctx, before, is_there, &added, err);
	if (r < 0)
		return r;
	triggers_start(ctx);
	*ret_after = json_pack("{s:o}", "added", to_json(&added));
	return *ret_after ? 0 : error_errno(err, ENOMEM, "note the packages");
}

/* Those of the record that are still there, less those somebody else needs by now. */
static int removable(struct change_context *ctx, const struct change_record *record,
		     struct strv *ret, struct strbuf *why, struct error *err)
{
	_cleanup_(strv_release) struct strv added = STRV_INIT, others = STRV_INIT;
	const json_t *noted = json_object_get(record->after, "added");
	_cleanup_free_ char *list = NULL;
	const struct package_manager *manager;
	int r = package_manager_of(ctx, &manager, err);

	if (r == 0)
		r = fresh(ctx, record->before, is_there, &added, err);

	for (size_t i = 0; r == 0 && i < added.len; i++) {
		if (!noted || json_has_string(noted, added.items[i]))
			r = strv_add(ret, added.items[i]);
	}
	if (r < 0 || !ret->len)
		return r;
	r = manager->simulate_remove(ctx, ret, &others, err);
	if (r < 0 || !others.len)
		return r;
	list = strv_join(&others, ", ");
	strbuf_printf(why, "packages installed since need them: %s; remove these first",
		      list ? list : "");
	strv_release(ret);
	return 0;
}

/*
 * What was cut off while it was unpacked has files there that nobody knows: unpacked again they are
 * known, and removed with the rest. Where that cannot be had, what is known goes all the same.
 */
static int make_known(struct change_context *ctx, const struct package_manager *manager,
		      const struct change_record *record, struct strbuf *note, struct error *err)
{
	_cleanup_(strv_release) struct strv cut = STRV_INIT, items = STRV_INIT;
	int r = fresh(ctx, record->before, is_cut_off, &cut, err);

	if (r == 0 && items_of(record->want, manager->tells_cut_off ? &cut : NULL, &items) < 0)
		r = error_errno(err, ENOMEM, "repair the packages");
	if (r == 0)
		r = manager->repair(ctx, &items, &cut, err);
	if (r != -EPROTO)
		return r;
	strbuf_printf(note, "files that were half unpacked may be left: %s", err->message);
	error_clear(err);
	return 0;
}

static int undo(struct change_context *ctx, const struct change_record *record,
		enum undo_outcome *ret, struct strbuf *why, struct error *err)
{
	_cleanup_(strv_release) struct strv names = STRV_INIT;
	_cleanup_(package_db_release) struct package_db db = { 0 };
	_cleanup_(strbuf_release) struct strbuf note = STRBUF_INIT;
	const struct package_manager *manager;
	int r = package_manager_of(ctx, &manager, err);

	if (r == 0)
		r = read_db(ctx, &db, err);
	if (r == 0 && any_broken(&db))
		r = packages_finish(ctx, err);
	if (r == 0 && !record->after)
		r = make_known(ctx, manager, record, &note, err);
	if (r == 0)
		r = removable(ctx, record, &names, why, err);
	if (r < 0)
		return r;
	*ret = why->len ? UNDO_LEFT : names.len ? UNDO_DONE : UNDO_NOTHING;
	if (names.len)
		r = manager->remove(ctx, &names, err);
	if (r == 0 && !why->len)
		r = residue_remove(ctx->host, json_object_get(record->before, "residue"), err);
	if (r == 0 && !why->len)
		strbuf_add(why, strbuf_str(&note), note.len);
	return r;
}

const struct change_kind change_packages = {
	.name = "packages",
	.repeats = true,
	.holds = holds,
	.describe = describe,
	.prepare = prepare,
	.capture = capture,
	.apply = apply,
	.undo = undo,
};
