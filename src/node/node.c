#include "node/node.h"

#include "change/apt.h"
#include "change/packages.h"
#include "node/spec_source.h"
#include "node/stage.h"
#include "step/layout.h"

#include <limits.h>

void node_close(struct node *node)
{
	facts_release(&node->ctx.facts);
	change_context_release(&node->ctx.change);
	os_clear(&node->ctx.os);
	journal_close(&node->journal);
	spec_release(&node->spec);
	free(node->ctx.bundle_sysbox);
	if (node->ctx.runc_fd > 0)
		fd_closep(&node->ctx.runc_fd);
	free(node->self);
	free(node->kept_spec);
	fd_closep(&node->lock_fd);
	host_release(&node->host);
	*node = (struct node){ .host = HOST_INIT, .journal = JOURNAL_INIT, .lock_fd = -EBADF };
}

static int find_self(struct node *node, struct error *err)
{
	/* The link itself: it works in another mount namespace and when the file was replaced. */
	node->self = strdup("/proc/self/exe");
	node->ctx.self = node->self;
	return node->self ? 0 : error_errno(err, ENOMEM, "start");
}

static void bind_context(struct node *node, const struct node_options *options)
{
	struct change_context *change = &node->ctx.change;

	node->ctx.host = &node->host;
	node->ctx.spec = &node->spec;
	node->ctx.kept_spec = node->kept_spec;
	change->host = &node->host;
	change->os = &node->ctx.os;
	change->progress = &node->progress;
	change->package_lock_ms = node->spec.timeouts.package_lock;
	change->packages_ms = node->spec.timeouts.packages;
	change->download_ms = node->spec.timeouts.download;
	change->services_ms = node->spec.timeouts.services;
}

/* Installing or removing: what is half way then is ours, and finished first. */
static bool packages_cut_off(const struct journal *journal)
{
	for (size_t i = 0; !journal->verified && i < journal->len; i++) {
		const struct journal_entry *e = &journal->entries[i];

		if (journal_in_force(e) && strcmp(e->kind, change_packages.name) == 0)
			return true;
	}
	return false;
}

int node_open(const struct node_options *options, struct node *node, struct error *err)
{
	int r;

	*node = (struct node){ .host = HOST_INIT, .journal = JOURNAL_INIT, .lock_fd = -EBADF };
	r = host_open_root(options->root, &node->host, err);
	if (r == 0)
		r = spec_source_load(&node->host, options->config, &node->spec, &node->kept_spec, err);
	if (r == 0)
		r = os_read(&node->host, &node->ctx.os, err);
	if (r == 0)
		r = find_self(node, err);
	if (r == 0)
		r = journal_read(&node->host, &node->journal, err);
	if (r < 0) {
		node_close(node);
		return r;
	}
	bind_context(node, options);
	node->ctx.resuming_packages = packages_cut_off(&node->journal);
	return 0;
}

/* What a cut has left stopped, or made but for its end. */
static int resume_changes(struct node *node, struct error *err)
{
	for (size_t i = 0; !host_is_rooted(&node->host) && i < node->journal.len; i++) {
		const struct journal_entry *e = &node->journal.entries[i];
		const struct change_kind *kind = change_kind_find(e->kind);
		const struct change_record record = { e->target, e->want, e->before, e->after };
		_cleanup_json_ json_t *after = NULL;
		int r;

		if (!journal_in_force(e) || !kind || !kind->resume)
			continue;
		r = kind->resume(&node->ctx.change, &record, &after, err);
		if (r == 0 && after)
			r = journal_done(&node->journal, e->number, after, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int node_clean_up(struct node *node, struct error *err)
{
	/* Written by changes with another target, or by none. */
	static const char *const WRITTEN[] = {
		DAEMON_JSON,	"/usr/sbin/policy-rc.d", STATE_DIR "/containers.json",
		"/etc/passwd",	"/etc/group",		 "/etc/shadow",
		"/etc/gshadow", "/etc/subuid",		 "/etc/subgid",
	};
	const struct journal *journal = &node->journal;
	const struct journal_entry *packages = journal_unfinished(journal, "packages", "packages");
	int r = apt_clean_up(&node->host, err);

	if (r == 0 && node->ctx.resuming_packages && package_db_interrupted(&node->host))
		r = packages_finish(&node->ctx.change, err);
	if (r == 0 && packages)
		r = packages_clean_up(&node->ctx.change, packages->before, err);
	if (r < 0 || !journal->len || journal->verified)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(WRITTEN); i++)
		host_drop_temp(&node->host, WRITTEN[i]);
	for (size_t i = 0; i < journal->len; i++) {
		const char *config = json_get_string(journal->entries[i].want, "config"); /* of a handler */

		if (journal->entries[i].target[0] == '/')
			host_drop_temp(&node->host, journal->entries[i].target);
		if (config && *config == '/')
			host_drop_temp(&node->host, config);
	}
	node->ctx.change.reload_needed = true;
	return resume_changes(node, err);
}

int node_check(struct node *node, struct report *report, struct error *err)
{
	for (const struct step *const *s = steps; *s; s++) {
		struct stage stage;
		int r;

		if (!(*s)->check || !step_wanted(*s, &node->spec))
			continue;
		stage_begin(&stage, node, "check", (*s)->name, (*s)->summary);
		r = (*s)->check(&node->ctx, report, err);
		stage_end(&stage, r >= 0 && !report_count(report, CHECK_FAIL));
		if (r < 0)
			return error_context(err, "%s", (*s)->name);
	}
	return 0;
}

/* A step by itself: Docker is started again where the step stops it, and not moved away under what runs. */
static int complete_step(struct node *node, const char *only, struct plan *plan, struct error *err)
{
	const struct step_context *ctx = &node->ctx;
	bool beneath = step_find(only)->beneath_docker && spec_has_docker(ctx->spec) && ctx->facts.docker_running;

	if (plan->len && beneath && !mount_table_at(&ctx->facts.mounts, DOCKER_DATA))
		return error_set(err, EBUSY, "Docker runs on the root disk, and step '%s' is not done by itself beneath it: run berth "
				 "install, or stop Docker first", only);
	if (!plan_find(plan, &change_stop, "docker.service"))
		return 0;
	return plan_add(plan, &node->ctx.change, &change_start, "docker.service", json_pack("{s:b}", "again", 1), NULL, NULL,
			err);
}

int node_plan(struct node *node, const char *only, struct plan *ret, struct error *err)
{
	int r;

	for (const struct step *const *s = steps; *s; s++) {
		if (!(*s)->plan || !step_wanted(*s, &node->spec) ||
		    (only && strcmp(only, (*s)->name) != 0))
			continue;
		ret->step = (*s)->name;
		r = (*s)->plan(&node->ctx, ret, err);
		if (r < 0)
			return error_context(err, "%s", (*s)->name);
	}
	r = only && !ret->keep_all ? complete_step(node, only, ret, err) : 0;
	return MIN_OF(r, 0);
}

int node_verify(struct node *node, const char *only, struct report *report, struct error *err)
{
	for (const struct step *const *s = steps; *s; s++) {
		size_t failed = report_count(report, CHECK_FAIL);
		struct stage stage;
		int r;

		if (!(*s)->verify || !step_wanted(*s, &node->spec) ||
		    (only && strcmp(only, (*s)->name) != 0))
			continue;
		stage_begin(&stage, node, "verify", (*s)->name, (*s)->summary);
		r = (*s)->verify(&node->ctx, report, err);
		stage_end(&stage, r >= 0 && report_count(report, CHECK_FAIL) == failed);
		if (r < 0)
			return error_context(err, "verify %s", (*s)->name);
	}
	return 0;
}
