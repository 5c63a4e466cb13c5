/*
 * Packages by the host's package manager (package_manager.h), in one transaction.
 * want: {"packages": [names], "versions": {name: what it must begin with}, "files": [{"package", "version", "url", "file",
 * "sha256", "path"}]}.
 * before: {"installed": [names], "residue": {...}, "settings": daemon.json as a file's state};
 * after: {"added": [names]}.
 */
#include "change/packages.h"

#include "change/jq_layout.h"
#include "change/package_file.h"
#include "change/package_manager.h"
#include "change/residue.h"
#include "change/triggers.h"
#include "engine/containerd.h"

static int read_db(struct change_context *ctx, struct package_db *ret, struct error *err)
{
	return package_db_read(ctx->host, ctx->os->packages, ret, err);
}

/* What the version of one of the named packages must begin with; NULL: any will do. */
static const char *version_of(const json_t *want, const char *name)
{
	return json_get_string(json_object_get(want, "versions"), name);
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
		const char *name = json_string_value(value), *version = version_of(change->want, name);

		if (version ? !package_db_has(&db, name, version) : !package_db_installed(&db, name))
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
	json_array_foreach(json_object_get(change->want, "packages"), i, value) {
		const char *name = json_string_value(value), *version = version_of(change->want, name);

		strbuf_printf(out, "+ %s%s%s (with what it depends on)\n", name, version ? " " : "", version ? version : "");
	}
	json_array_foreach(json_object_get(change->want, "files"), i, value)
		package_file_describe(value, out);
	return 0;
}

/* Get one package file where apt can read it, whole and right. */
static int prepare_file(struct change_context *ctx, const json_t *value, struct error *err)
{
	int r = package_file_get(ctx, value, err);

	return r < 0 ? r : package_file_check(ctx, value, err);
}

/* What is to be installed, files by that key; `only` these packages of it (NULL: all). */
static int list_of(const json_t *want, const struct strv *only, const char *file_key, struct strv *ret)
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
			r = strv_add(ret, json_get_string(value, file_key));
	}
	return r;
}

/* What to ask the package manager for. */
static int items_of(const json_t *want, const struct strv *only, struct strv *ret)
{
	return list_of(want, only, "path", ret);
}

/* What was fetched is of the versions that are wanted. */
static int check_versions(struct change_context *ctx, const json_t *want, const struct package_manager *manager,
			  struct error *err)
{
	json_t *versions = json_object_get(want, "versions"), *version;
	const char *name;

	json_object_foreach(versions, name, version) {
		const char *wanted = json_string_value(version);
		_cleanup_free_ char *found = NULL;
		int r = manager->candidate(ctx, name, &found, err);

		if (r < 0)
			return r;
		if (!found || !package_version_is_of(found, wanted))
			return error_set(err, ESTALE, "the repositories of this host have %s %s, not %s: configure one that has it",
					 name, found ? found : "no more", wanted);
	}
	return 0;
}

static int prepare(struct change_context *ctx, const struct change *change, struct error *err)
{
	_cleanup_(strv_release) struct strv items = STRV_INIT, asked = STRV_INIT;
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
	if (items_of(change->want, NULL, &items) < 0 || list_of(change->want, NULL, "package", &asked) < 0)
		return error_errno(err, ENOMEM, "prepare the packages");
	r = manager->fetch(ctx, &items, &asked, err);
	return r < 0 ? r : check_versions(ctx, change->want, manager, err);
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
		r = jq_layout_capture(ctx, &settings, err);
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

int packages_clean_up(struct change_context *ctx, const json_t *before, struct error *err)
{
	return jq_layout_clean_up(ctx, json_object_get(before, "settings"), err);
}

/* What came, of a transaction that is through. */
static int note_added(struct change_context *ctx, const json_t *before, json_t **ret, struct error *err)
{
	_cleanup_(strv_release) struct strv added = STRV_INIT;
	int r = fresh(ctx, before, is_there, &added, err);

	if (r < 0)
		return r;
	*ret = json_pack("{s:o}", "added", to_json(&added));
	return *ret ? 0 : error_errno(err, ENOMEM, "note the packages");
}

static int finished(struct change_context *ctx, const struct change_record *record, json_t **ret_after, struct error *err)
{
	return note_added(ctx, record->before, ret_after, err);
}

/* Those that came with it, of all times: never what somebody else installed in between. */
static json_t *unite_after(const json_t *once, const json_t *found, const json_t *now)
{
	json_t *added = json_deep_copy(json_object_get(once, "added")), *name;
	size_t i;

	if (!added)
		added = json_array();
	json_array_foreach(json_object_get(now, "added"), i, name) {
		if (!json_has_string(json_object_get(found, "installed"), json_string_value(name)) &&
		    !json_has_string(added, json_string_value(name)))
			(void)json_array_append(added, name);
	}
	return json_pack("{s:o}", "added", added);
}

/* A package is of the newest file that was asked for it. */
static bool has_file(const json_t *files, const char *package)
{
	const json_t *file;
	size_t i;

	json_array_foreach(files, i, file) {
		if (strcmp(json_get_string(file, "package"), package) == 0)
			return true;
	}
	return false;
}

static json_t *unite_want(const json_t *once, const json_t *now)
{
	json_t *want = json_deep_copy(now), *item;
	json_t *names = json_object_get(want, "packages"), *files = json_object_get(want, "files");
	size_t i;

	json_array_foreach(json_object_get(once, "packages"), i, item) {
		if (!json_has_string(names, json_string_value(item)))
			(void)json_array_append(names, item);
	}
	json_array_foreach(json_object_get(once, "files"), i, item) {
		if (!has_file(files, json_get_string(item, "package")))
			(void)json_array_append(files, item);
	}
	return want;
}

static int apply(struct change_context *ctx, const struct change *change, const json_t *before,
		 json_t **ret_after, struct error *err)
{
	_cleanup_(package_db_release) struct package_db db = { 0 };
	_cleanup_(file_state_release) struct file_state kept = FILE_STATE_INIT;
	_cleanup_(strv_release) struct strv items = STRV_INIT;
	const struct package_manager *manager;
	struct error second = ERROR_INIT;
	int r = package_manager_of(ctx, &manager, err);

	if (r == 0)
		r = read_db(ctx, &db, err);
	if (r == 0)
		r = jq_layout_show(ctx, &kept, err);
	if (r == 0 && any_broken(&db))
		r = packages_finish(ctx, err);
	if (r == 0 && items_of(change->want, NULL, &items) < 0)
		r = error_errno(err, ENOMEM, "install the packages");
	if (r == 0)
		r = manager->install(ctx, &items, err);
	if (jq_layout_hide(ctx, &kept, &second) < 0 && r == 0)
		r = error_set(err, second.code, "%s", second.message);
	if (r < 0)
		return r;
	triggers_start(ctx);
	return note_added(ctx, before, ret_after, err);
}

/* The engine that a kubelet came to use since: its pods would end with it. Taken out of `names`, and said. */
static int keep_engine(struct change_context *ctx, struct strv *names, struct strbuf *why)
{
	static const char *const ENGINE[] = { "containerd", "containerd.io", "runc" };
	bool used = context_pods_use(ctx, CONTAINERD_SOCKET), kept = false;
	struct strv rest = STRV_INIT;
	int r = 0;

	for (size_t i = 0; used && r == 0 && i < names->len; i++) {
		bool engine = false;

		for (size_t j = 0; j < ARRAY_SIZE(ENGINE); j++)
			engine = engine || strcmp(names->items[i], ENGINE[j]) == 0;
		if (engine)
			strbuf_printf(why, "%s%s", kept ? ", " : "", names->items[i]);
		else
			r = strv_add(&rest, names->items[i]);
		kept = kept || engine;
	}
	if (kept) {
		strbuf_puts(why, ": this node's kubelet runs its pods with it; remove it when the node has left its cluster");
		strv_release(names);
		*names = rest;
	} else {
		strv_release(&rest);
	}
	return r;
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

	/* Finished by a berth that did not note them: nobody knows which are ours. */
	if (r == 0 && record->after && !noted) {
		strbuf_puts(why, "which packages came with it was not noted: remove what is not needed by hand");
		return 0;
	}
	if (r == 0)
		r = fresh(ctx, record->before, is_there, &added, err);

	for (size_t i = 0; r == 0 && i < added.len; i++) {
		if (!noted || json_has_string(noted, added.items[i]))
			r = strv_add(ret, added.items[i]);
	}
	if (r == 0)
		r = keep_engine(ctx, ret, why);
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
	.unite_want = unite_want,
	.unite_after = unite_after,
	.finished = finished,
	.undo = undo,
};
