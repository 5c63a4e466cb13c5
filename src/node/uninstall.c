/* Back: the journal, newest entry first; each thing only if it is still what berth left. */
#include "base/units.h"
#include "change/containers.h"
#include "change/docker_data.h"
#include "change/engine_restart.h"
#include "change/pool_space.h"
#include "change/tree.h"
#include "change/tree_copy.h"
#include "node/replace.h"
#include "step/layout.h"
#include "step/sandbox.h"
#include "sys/fsinfo.h"

#include <fcntl.h>

static const char *outcome_name(enum undo_outcome outcome)
{
	static const char *const NAMES[] = { "undone", "nothing", "left" };

	return NAMES[outcome];
}

/* All kinds known? Better to find out before the first thing is put back. */
static int check_kinds(const struct journal *journal, struct error *err)
{
	for (size_t i = 0; i < journal->len; i++) {
		const struct journal_entry *e = &journal->entries[i];

		if (journal_in_force(e) && !change_kind_find(e->kind))
			return error_set(err, EPROTONOSUPPORT,
					 "the journal has a change of a kind ('%s') that this berth does "
					 "not know: use the newer one that wrote it",
					 e->kind);
	}
	return 0;
}

/* Parts of the pool that were not given back yet: data may be in them. */
static bool has_parts(const struct journal *journal)
{
	for (size_t i = 0; i < journal->len; i++) {
		const struct journal_entry *e = &journal->entries[i];

		if (journal_in_force(e) && e->after && strcmp(e->kind, "pool-dir") == 0)
			return true;
	}
	return false;
}

/* What of the pool would be copied to where it goes back: Docker's data, and inner data of sandboxes, stashed or not. */
static int parts_usage(struct node *node, struct tree_usage *ret_docker, struct tree_usage *ret_others, struct error *err)
{
	*ret_docker = *ret_others = (struct tree_usage){ 0 };
	for (size_t i = 0; i < node->journal.len; i++) {
		const struct journal_entry *e = &node->journal.entries[i];
		bool goes_back = json_get_string(e->want, "place") || json_get_string(e->want, "into");
		bool is_docker = strcmp(e->target, POOL_DIR "/docker") == 0;
		struct tree_usage *sum = is_docker ? ret_docker : ret_others, usage = { 0 };
		int r;

		if (!journal_in_force(e) || strcmp(e->kind, "pool-dir") != 0 || !goes_back ||
		    !host_exists(&node->host, e->target))
			continue;
		/* Which is not moved back. */
		if (is_docker && docker_data_is_skeleton(&node->host, e->target) > 0)
			continue;
		r = tree_usage(&node->host, e->target, &usage, err);
		if (r < 0)
			return r;
		sum->bytes += usage.bytes;
		sum->inodes += usage.inodes;
	}
	return 0;
}

static int refuse_data(const struct data_summary *data, uint64_t others, uint64_t inodes, const struct fsinfo *disk,
		       struct error *err)
{
	static const char WAYS_OUT[] = "free space there, remove what is not needed, or lose it all with --delete-data; nothing was "
				       "changed";
	char needed[UNITS_MAX], rest[UNITS_MAX], have[UNITS_MAX];

	if (inodes > disk->inodes_available)
		return error_set(err, ENOSPC, "the pool holds %" PRIu64 " files and directories, and /var/lib has room for %" PRIu64
				 ": %s", inodes, disk->inodes_available, WAYS_OUT);
	return error_set(err, ENOSPC,
			 "Docker's data (%" PRIu64 " images, %" PRIu64 " containers, %" PRIu64 " volumes: %s) and what else is on the "
			 "pool (%s) does not fit on /var/lib (%s free): %s",
			 data->images, data->containers, data->volumes, size_format(data->bytes, needed), size_format(others, rest),
			 size_format(disk->available, have), WAYS_OUT);
}

/* Does the tenants' data fit where it would go back to? Asked before anything is touched. */
static int check_data(struct node *node, bool delete_data, struct error *err)
{
	struct data_summary data = { 0 };
	struct tree_usage docker, others, all;
	struct fsinfo info;
	int r;

	if (delete_data)
		return 0;
	if (!node->ctx.facts.pool_mounted && has_parts(&node->journal) && !host_is_rooted(&node->host))
		return error_set(err, ENOTCONN,
				 "the pool is not mounted, so whether tenants' data is in it cannot be "
				 "told: mount it (systemctl start var-lib-berth-pool.mount), or give up "
				 "what it holds with --delete-data; nothing was changed");
	if (!node->ctx.facts.pool_mounted)
		return 0;
	r = docker_data_present(&node->host, POOL_DIR "/docker", &data);
	if (r < 0)
		return error_errno(err, r, "look at '%s'", POOL_DIR "/docker");
	r = parts_usage(node, &docker, &others, err);
	if (r == 0)
		r = pool_space(&node->host, DOCKER_DATA, &info, err);
	if (r < 0)
		return r;
	all = (struct tree_usage){ .bytes = docker.bytes + others.bytes, .inodes = docker.inodes + others.inodes };
	/* As each copy will ask for it. */
	if (tree_copy_needs(&all) <= info.available && all.inodes <= info.inodes_available)
		return 0;
	return refuse_data(&data, others.bytes, all.inodes, &info, err);
}

static int undo_one(struct node *node, const struct journal_entry *e, struct undo_summary *summary,
		    struct error *err)
{
	const struct change_kind *kind = change_kind_find(e->kind);
	struct change_record record = { e->target, e->want, e->before, e->after };
	_cleanup_(strbuf_release) struct strbuf why = STRBUF_INIT;
	enum undo_outcome outcome = UNDO_NOTHING;
	uint64_t number = e->number;
	int r;

	progress_activityf(&node->progress, "%s %s", e->kind, e->target);
	r = kind->undo(&node->ctx.change, &record, &outcome, &why, err);
	if (r < 0)
		return error_context(err, "put '%s' (%s) back", e->target, e->kind);
	if (node->observer.undone)
		node->observer.undone(node->observer.userdata, e, outcome, strbuf_str(&why));
	summary->undone += outcome == UNDO_DONE;
	summary->nothing += outcome == UNDO_NOTHING;
	summary->left += outcome == UNDO_LEFT;
	return journal_undone(&node->journal, number, outcome_name(outcome),
			      why.len ? strbuf_str(&why) : NULL, err);
}

/* Was it running before berth came, and has this uninstall started it again already? */
static bool stop_is_undone(const struct journal *journal, const char *target)
{
	for (size_t i = 0; i < journal->len; i++) {
		const struct journal_entry *e = &journal->entries[i];

		if (e->undone_now && strcmp(e->kind, change_stop.name) == 0 &&
		    strcmp(e->target, target) == 0)
			return true;
	}
	return false;
}

/*
 * Units that an uninstall had stopped before it was cut off: a boot since then has started again what
 * was enabled still, or wanted by something that was.
 */
static int stop_again(struct node *node, struct error *err)
{
	const struct journal *journal = &node->journal;
	int r = 0;

	for (size_t i = journal->len; r == 0 && i > 0; i--) {
		const struct journal_entry *e = &journal->entries[i - 1];
		struct change_record record = { e->target, e->want, e->before, e->after };
		_cleanup_(strbuf_release) struct strbuf why = STRBUF_INIT;
		enum undo_outcome outcome;

		if (e->undone_now && strcmp(e->kind, change_start.name) == 0 &&
		    !stop_is_undone(journal, e->target))
			r = change_start.undo(&node->ctx.change, &record, &outcome, &why, err);
	}
	return r;
}

/* Our own state goes last; where something was left, its records and backups stay with it. */
static int remove_state(struct node *node, bool keep_journal, struct error *err)
{
	static const char *const PARTS[] = { CACHE_DIR, POOL_DIR };
	static const char NOTE[] = STATE_DIR "/containers.json";
	int r = host_exists(&node->host, NOTE) ? host_remove(&node->host, NOTE, err) : 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(PARTS); i++)
		r = tree_remove(&node->host, PARTS[i], err);
	if (r < 0 || keep_journal)
		return r;
	fd_closep(&node->journal.fd);
	r = tree_remove(&node->host, STATE_DIR, err);
	return r;
}

/* Asking its socket would start it. 1, 0 or -errno. */
static int docker_runs(struct node *node, struct error *err)
{
	const struct unit_state *docker;
	int r = context_unit(&node->ctx.change, "docker.service", &docker, err);

	return r < 0 ? r : unit_is(docker->active, "active");
}

/* Those that ran before a stop of ours, when a boot has brought Docker back before we could. */
static int resume_containers(struct node *node, struct error *err)
{
	int r = docker_runs(node, err);

	return r <= 0 ? r : containers_resume(&node->ctx.change, err);
}

int node_forget(struct node *node, struct error *err)
{
	static const char *const EMPTY[] = { BACKUP_DIR, JOURNAL_DIR, POOL_DIR, STATE_DIR };
	int r = tree_remove(&node->host, CACHE_DIR, err);

	if (r == 0 && host_exists(&node->host, JOURNAL_FILE))
		r = tree_remove(&node->host, JOURNAL_DIR, err);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(EMPTY); i++)
		(void)host_rmdir(&node->host, EMPTY[i]);
	return r;
}

/* What cannot be undone now is said before anything is. */
static int check_undo(struct node *node, struct error *err)
{
	for (size_t i = 0; !host_is_rooted(&node->host) && i < node->journal.len; i++) {
		const struct journal_entry *e = &node->journal.entries[i];
		const struct change_kind *kind = change_kind_find(e->kind);
		const struct change_record record = {
			.target = e->target, .want = e->want, .before = e->before, .after = e->after,
		};
		int r;

		if (!journal_in_force(e) || !kind->may_undo)
			continue;
		r = kind->may_undo(&node->ctx.change, &record, err);
		if (r < 0)
			return error_context(err, "put '%s' (%s) back", e->target, e->kind);
	}
	return 0;
}

/* Berth's own, which would count as a user's data. Where Docker does not answer it stays, with the rest. */
static void take_away_proof(struct node *node)
{
	_cleanup_(docker_release) struct docker docker = DOCKER_INIT;
	struct error ignored = ERROR_INIT;

	if (host_is_rooted(&node->host) || !node->journal.len || docker_runs(node, &ignored) <= 0)
		return;
	progress_activity(&node->progress, "looking for what a proof has left in Docker");
	if (docker_open(&node->host, &docker, &ignored) == 0)
		(void)sandbox_take_away(&docker, &ignored);
}

/* All that is still in force was left by an uninstall before. */
static bool only_left(const struct journal *journal)
{
	for (size_t i = 0; i < journal->len; i++) {
		if (journal_in_force(&journal->entries[i]) && !journal->entries[i].outcome)
			return false;
	}
	return true;
}

static int undo_all(struct node *node, struct undo_summary *summary, struct error *err)
{
	int r = 0;

	for (size_t i = node->journal.len; r == 0 && i > 0; i--) {
		if (journal_in_force(&node->journal.entries[i - 1]))
			r = undo_one(node, &node->journal.entries[i - 1], summary, err);
	}
	return r;
}

int node_uninstall(struct node *node, bool delete_data, struct undo_summary *ret, struct error *err)
{
	/* Who runs it again wants to be rid of the records, and has made of what was left what he wants. */
	bool again = only_left(&node->journal);
	int r = node_clean_up(node, err);

	*ret = (struct undo_summary){ 0 };
	replace_end(node);
	node->ctx.change.delete_data = delete_data;
	if (r == 0)
		r = facts_read(&node->ctx, err);
	if (r == 0)
		r = check_kinds(&node->journal, err);
	if (r == 0)
		r = check_undo(node, err);
	if (r == 0)
		r = check_data(node, delete_data, err);
	if (r == 0 && node->journal.len)
		r = journal_mark(&node->journal, "run", "uninstall", err);
	if (r == 0)
		take_away_proof(node);
	if (r == 0)
		r = stop_again(node, err);
	if (r == 0)
		r = undo_all(node, ret, err);
	if (r == 0)
		r = context_reload(&node->ctx.change, err);
	if (r == 0)
		r = resume_containers(node, err);
	ret->forgotten = again && ret->left > 0;
	return r < 0 ? r : remove_state(node, ret->left > 0 && !again, err);
}
