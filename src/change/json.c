/*
 * Members of a JSON file, the rest of its bytes kept.
 * want: {"set": [[["log-opts", "max-size"], "10m"], ...], "validate": [program, word...] or absent}: the
 * program is called with /dev/stdin behind its words, and the candidate there, before the file is replaced.
 */
#include "base/diff.h"
#include "base/json_edit.h"
#include "change/backup.h"
#include "change/file_state.h"

#define PATH_MAX_KEYS 8

/* The keys of one entry of "set", and its value. */
static const json_t *entry(const json_t *pair, const char *keys[static PATH_MAX_KEYS + 1])
{
	const json_t *path = json_array_get(pair, 0);
	size_t n = json_array_size(path);

	for (size_t i = 0; i < n && i < PATH_MAX_KEYS; i++)
		keys[i] = json_string_value(json_array_get(path, i));
	keys[MIN_OF(n, PATH_MAX_KEYS)] = NULL;
	return json_array_get(pair, 1);
}

static const json_t *member(const json_t *root, const char *const *keys)
{
	const json_t *at = root;

	while (at && *keys)
		at = json_object_get(at, *keys++);
	return at;
}

/* The file's text with every wanted member set. An absent or blank file counts as "{}". */
static int edited(const struct file_state *now, const struct change *change, struct strbuf *out,
		  struct error *err)
{
	const json_t *set = json_object_get(change->want, "set");
	const char *keys[PATH_MAX_KEYS + 1];
	json_t *pair;
	size_t i;

	if (now->exists)
		strbuf_add(out, now->data, now->len);
	json_array_foreach(set, i, pair) {
		const json_t *value = entry(pair, keys);
		int r = json_edit_set(out, keys, value, err);

		if (r < 0)
			return error_context(err, "'%s'", change->target);
	}
	if (!now->exists && out->len && out->data[out->len - 1] != '\n')
		strbuf_putc(out, '\n');
	return strbuf_failed(out) ? error_errno(err, ENOMEM, "edit '%s'", change->target) : 0;
}

static int read_valid(struct change_context *ctx, const char *path, struct file_state *ret,
		      struct error *err)
{
	_cleanup_free_ char *what = xasprintf("'%s'", path);
	_cleanup_json_ json_t *parsed = NULL;
	int r = file_state_read(ctx->host, path, ret, err);

	if (r < 0 || !ret->exists || strspn(ret->data, " \t\r\n") == ret->len)
		return r;
	r = json_parse(ret->data, ret->len, what ? what : path, &parsed, err);
	if (r == 0 && !json_is_object(parsed))
		r = error_set(err, EINVAL, "'%s' is not a JSON object", path);
	if (r < 0)
		(void)error_set(err, EINVAL, "%.700s; berth leaves the file as it is: mend it (or "
				"move it away) and run again", err->message);
	return r;
}

/* The file as it is, and its text as it must be. */
static int look(struct change_context *ctx, const struct change *change, struct file_state *ret_now, struct strbuf *ret_then,
		struct error *err)
{
	int r = read_valid(ctx, change->target, ret_now, err);

	return r < 0 ? r : edited(ret_now, change, ret_then, err);
}

static int holds(struct change_context *ctx, const struct change *change, struct error *err)
{
	_cleanup_(file_state_release) struct file_state now = FILE_STATE_INIT;
	_cleanup_(strbuf_release) struct strbuf text = STRBUF_INIT;
	int r = look(ctx, change, &now, &text, err);

	if (r < 0)
		return r;
	return file_state_is(&now, strbuf_str(&text), text.len);
}

static int describe(struct change_context *ctx, const struct change *change, struct strbuf *out,
		    struct error *err)
{
	_cleanup_(file_state_release) struct file_state now = FILE_STATE_INIT;
	_cleanup_(strbuf_release) struct strbuf text = STRBUF_INIT;
	int r = look(ctx, change, &now, &text, err);

	if (r < 0)
		return r;
	diff_lines(now.data ? now.data : "", now.len, strbuf_str(&text), text.len, 2, out);
	return 0;
}

static int capture(struct change_context *ctx, const struct change *change, json_t **ret_before,
		   struct error *err)
{
	return file_state_capture(ctx->host, change->target, ret_before, err);
}

/*
 * Ask the program the file is for; one that is not there, or does not know how, has no objection. It reads the candidate
 * from its standard input: there is no file of it that could be left behind.
 */
static int validate(struct change_context *ctx, const struct change *change, const struct strbuf *text, struct error *err)
{
	_cleanup_(spawn_result_release) struct spawn_result result = SPAWN_RESULT_INIT;
	const struct spawn_options options = { .timeout_ms = 60000, .input = text->data, .input_len = text->len };
	const json_t *words = json_object_get(change->want, "validate");
	_cleanup_(strv_release) struct strv argv = STRV_INIT;
	_cleanup_free_ char *program = NULL;
	json_t *word;
	size_t i;
	int r = 0;

	json_array_foreach(words, i, word) {
		if (r == 0)
			r = strv_add(&argv, json_string_value(word));
	}
	program = argv.len ? host_find_program(ctx->host, argv.items[0]) : NULL;
	if (r < 0 || !program)
		return r;
	r = strv_add(&argv, "/dev/stdin");
	if (r == 0)
		r = host_run(ctx->host, (const char *const *)argv.items, &options, &result, err);
	if (r < 0 || result.exit_code == 0 || strstr(strbuf_str(&result.err), "unknown flag"))
		return r;
	return error_set(err, EINVAL, "'%s' would not be accepted by %s: %.300s; the file was not changed",
			 change->target, argv.items[0], strbuf_str(&result.err));
}

/* Before the first change of all: what would be refused, or could not be written, is refused while Docker still runs. */
static int prepare(struct change_context *ctx, const struct change *change, struct error *err)
{
	_cleanup_(file_state_release) struct file_state now = FILE_STATE_INIT;
	_cleanup_(strbuf_release) struct strbuf text = STRBUF_INIT;
	int r = look(ctx, change, &now, &text, err);

	if (r == 0)
		r = file_state_writable(ctx->host, change->target, err);
	return r < 0 ? r : validate(ctx, change, &text, err);
}

static int apply(struct change_context *ctx, const struct change *change, const json_t *before,
		 json_t **ret_after, struct error *err)
{
	_cleanup_(file_state_release) struct file_state now = FILE_STATE_INIT;
	_cleanup_(strbuf_release) struct strbuf text = STRBUF_INIT;
	struct file_attrs attrs = { .mode = 0644 };
	int r = look(ctx, change, &now, &text, err);

	(void)before;
	if (r == 0)
		r = validate(ctx, change, &text, err);
	if (r < 0)
		return r;
	if (now.exists)
		attrs = (struct file_attrs){ .mode = now.mode, .uid = now.uid, .gid = now.gid };
	return file_state_put(ctx, change->target, strbuf_str(&text), text.len, &attrs, ret_after,
			      err);
}

/* Take our members out of a file somebody edited since; those with another value now are left. */
static int retract(const struct change_record *record, const json_t *now_value,
		   const json_t *old_value, struct strbuf *text, struct strbuf *why,
		   struct error *err)
{
	const json_t *set = json_object_get(record->want, "set");
	const char *keys[PATH_MAX_KEYS + 1];

	for (size_t i = json_array_size(set); i > 0; i--) {
		const json_t *ours = entry(json_array_get(set, i - 1), keys);
		const json_t *before = member(old_value, keys);
		const json_t *now = member(now_value, keys);
		int r = 0;

		if (now && before && json_equal(now, before))
			continue; /* put back by hand */
		if (now && !json_equal(now, ours)) {
			strbuf_printf(why, "%s'%s' has another value since", why->len ? "; " : "",
				      keys[0]);
			continue;
		}
		if (before)
			r = json_edit_set(text, keys, before, err);
		else if (now)
			r = json_edit_remove(text, keys, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Objects that exist only because of us ("runtimes": {}) go too when they are empty. */
static int drop_empty(const json_t *set, const json_t *old_value, struct strbuf *text,
		      struct error *err)
{
	for (size_t i = 0; i < json_array_size(set); i++) {
		const char *keys[PATH_MAX_KEYS + 1];
		_cleanup_json_ json_t *now = NULL;
		const json_t *object;
		int r;

		(void)entry(json_array_get(set, i), keys);
		if (!keys[0] || !keys[1])
			continue;
		keys[1] = NULL;
		r = json_parse(strbuf_str(text), text->len, "the file", &now, err);
		object = r == 0 ? member(now, keys) : NULL;
		if (json_is_object(object) && json_object_size(object) == 0 &&
		    !member(old_value, keys))
			r = json_edit_remove(text, keys, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int old_content(struct change_context *ctx, const json_t *before, char **ret, size_t *ret_len,
		       json_t **ret_value, struct error *err)
{
	int r;

	if (!json_get_bool(before, "exists", false)) {
		*ret_value = json_object();
		return 0;
	}
	r = backup_get(ctx->host, json_get_string(before, "sha256"), ret, ret_len, err);
	if (r == 0 && strspn(*ret, " \t\r\n") == *ret_len)
		*ret_value = json_object();
	else if (r == 0)
		r = json_parse(*ret, *ret_len, "the backup", ret_value, err);
	return r;
}

static int undo_edited(struct change_context *ctx, const struct change_record *record,
		       const struct file_state *now, enum undo_outcome *ret, struct strbuf *why,
		       struct error *err)
{
	_cleanup_json_ json_t *now_value = NULL, *old_value = NULL, *result = NULL;
	_cleanup_(strbuf_release) struct strbuf text = STRBUF_INIT;
	struct file_attrs attrs = { .mode = now->mode, .uid = now->uid, .gid = now->gid };
	_cleanup_free_ char *old = NULL;
	struct error problem = ERROR_INIT;
	size_t old_len = 0;
	int r;

	if (json_parse(now->data, now->len, record->target, &now_value, &problem) < 0 ||
	    !json_is_object(now_value)) {
		strbuf_printf(why, "'%s' is no JSON object any more: left as it is", record->target);
		*ret = UNDO_LEFT;
		return 0;
	}
	r = old_content(ctx, record->before, &old, &old_len, &old_value, err);
	if (r < 0)
		return r;
	strbuf_add(&text, now->data, now->len);
	r = retract(record, now_value, old_value, &text, why, err);
	if (r == 0)
		r = drop_empty(json_object_get(record->want, "set"), old_value, &text, err);
	if (r == 0)
		r = json_parse(strbuf_str(&text), text.len, record->target, &result, err);
	if (r < 0)
		return r;
	*ret = why->len ? UNDO_LEFT : UNDO_DONE;
	/* Nothing of anybody else's is left in it: the very bytes of before. */
	if (json_equal(result, old_value))
		return file_state_restore(ctx, record->target, record->before, err);
	return host_write(ctx->host, record->target, strbuf_str(&text), text.len, &attrs, err);
}

/* Members of both times, a later value in the place of an earlier one. */
static json_t *unite_want(const json_t *once, const json_t *now)
{
	json_t *want = json_deep_copy(now), *set = json_object_get(want, "set");
	const json_t *earlier = json_object_get(once, "set");
	const char *a[PATH_MAX_KEYS + 1], *b[PATH_MAX_KEYS + 1];

	for (size_t i = json_array_size(earlier); i > 0; i--) {
		json_t *item = json_array_get(earlier, i - 1);
		bool again = false;

		(void)entry(item, a);
		for (size_t k = 0; !again && k < json_array_size(set); k++) {
			size_t n = 0;

			(void)entry(json_array_get(set, k), b);
			while (a[n] && b[n] && strcmp(a[n], b[n]) == 0)
				n++;
			again = !a[n] && !b[n];
		}
		if (!again)
			(void)json_array_insert(set, 0, item);
	}
	return want;
}

/*
 * Member by member also where the file is what we left: it may have had others' members when it was made once more, and
 * what was there before the first time knows nothing of them.
 */
static int undo(struct change_context *ctx, const struct change_record *record,
		enum undo_outcome *ret, struct strbuf *why, struct error *err)
{
	_cleanup_(file_state_release) struct file_state now = FILE_STATE_INIT;
	const char *sha256 = json_get_string(record->before, "sha256");
	struct error problem = ERROR_INIT;
	bool as_before;

	if (file_state_read(ctx->host, record->target, &now, &problem) < 0 || !now.exists)
		return file_state_undo(ctx, record, NULL, ret, why, err);
	as_before = sha256 && strcmp(now.sha256, sha256) == 0 && now.mode == (mode_t)json_get_int(record->before, "mode", 0644);
	return as_before ? file_state_undo(ctx, record, NULL, ret, why, err) : undo_edited(ctx, record, &now, ret, why, err);
}

const struct change_kind change_json = {
	.name = "json",
	.repeats = true,
	.holds = holds,
	.describe = describe,
	.prepare = prepare,
	.capture = capture,
	.apply = apply,
	.unite_want = unite_want,
	.undo = undo,
};
