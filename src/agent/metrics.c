#include "agent/metrics.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sys/resource.h>
#include <unistd.h>

#include "agent/inside.h"
#include "agent/kube.h"
#include "agent/limit_hits.h"
#include "agent/usage.h"
#include "base/file.h"
#include "quota/budget.h"

#define ID_SHOWN 12

void family(struct strbuf *out, const char *name, const char *type, const char *help)
{
	strbuf_printf(out, "# TYPE %s %s\n# HELP %s %s\n", name, type, name, help);
}

/* A label's value: backslash, quote and newline escaped, what is no text left out. */
static void label(struct strbuf *out, const char *value)
{
	for (const char *p = value; *p; p++) {
		if (*p == '\\' || *p == '"')
			strbuf_putc(out, '\\');
		if (*p == '\n')
			strbuf_puts(out, "\\n");
		else if ((unsigned char)*p >= ' ' && (unsigned char)*p < 0x7f)
			strbuf_putc(out, *p);
	}
}

void gauge(struct strbuf *out, const char *name, const char *help, uint64_t value)
{
	family(out, name, "gauge", help);
	strbuf_printf(out, "%s %" PRIu64 "\n", name, value);
}

/* ---- faults ---- */

static void each_fault(struct strbuf *out, const struct agent *agent, const char *name, size_t member)
{
	for (int i = 0; i < FAULT_COUNT; i++) {
		const struct fault *f = &agent->faults.items[i];

		strbuf_printf(out, "%s{fault=\"%s\"} %d\n", name, fault_rules[i].name,
			      *(const bool *)((const char *)f + member));
	}
}

static void repair_times(struct strbuf *out, const struct agent *agent)
{
	static const char NAME[] = "berth_repair_duration_seconds";

	family(out, NAME, "histogram", "From the moment a fault is seen to the moment it is gone.");
	for (int i = 0; i < FAULT_COUNT; i++) {
		const struct fault *f = &agent->faults.items[i];
		const char *fault = fault_rules[i].name;
		uint64_t sum = 0;

		for (size_t b = 0; b < FAULT_BUCKETS; b++) {
			char bound[24] = "+Inf";

			if (b < FAULT_BUCKETS - 1)
				(void)snprintf(bound, sizeof(bound), "%g", fault_bounds[b] / 1000.0);
			sum += f->buckets[b];
			strbuf_printf(out, "%s_bucket{fault=\"%s\",le=\"%s\"} %" PRIu64 "\n", NAME, fault, bound, sum);
		}
		strbuf_printf(out, "%s_sum{fault=\"%s\"} %.3f\n%s_count{fault=\"%s\"} %" PRIu64 "\n", NAME, fault,
			      (double)f->repair_ms / 1000, NAME, fault, f->repaired);
	}
}

static void faults(struct strbuf *out, const struct agent *agent)
{
	static const char *const RESULTS[] = { "repaired", "failed", "left" };

	family(out, "berth_fault_active", "gauge", "1 while a fault is there.");
	each_fault(out, agent, "berth_fault_active", offsetof(struct fault, active));
	family(out, "berth_gave_up", "gauge", "1 while a fault is left to people.");
	each_fault(out, agent, "berth_gave_up", offsetof(struct fault, gave_up));
	family(out, "berth_faults", "counter", "Faults seen.");
	for (int i = 0; i < FAULT_COUNT; i++)
		strbuf_printf(out, "berth_faults_total{fault=\"%s\"} %" PRIu64 "\n", fault_rules[i].name,
			      agent->faults.items[i].seen);
	family(out, "berth_repairs", "counter", "Faults that went, and tries that changed nothing.");
	for (int i = 0; i < FAULT_COUNT; i++) {
		const struct fault *f = &agent->faults.items[i];
		const uint64_t counts[] = { f->repaired, f->failed, f->left };

		for (size_t k = 0; k < ARRAY_SIZE(RESULTS); k++)
			strbuf_printf(out, "berth_repairs_total{fault=\"%s\",result=\"%s\"} %" PRIu64 "\n",
				      fault_rules[i].name, RESULTS[k], counts[k]);
	}
	repair_times(out, agent);
}

/* ---- convergence ---- */

static void convergence(struct strbuf *out, const struct agent *agent)
{
	static const char *const RESULTS[CONVERGE_RESULTS] = { "unchanged", "changed", "failed", "busy" };
	static const char *const SOURCES[SOURCE_COUNT] = { "process", "mounts", "files", "docker", "quota" };

	family(out, "berth_converge", "counter", "Runs that made the node as the settings say.");
	for (int i = 0; i < CONVERGE_RESULTS; i++)
		strbuf_printf(out, "berth_converge_total{result=\"%s\"} %" PRIu64 "\n", RESULTS[i],
			      agent->converged[i]);
	gauge(out, "berth_converge_last_success_timestamp_seconds", "When one last succeeded; 0: never.",
	      (uint64_t)agent->last_success);
	gauge(out, "berth_replacement_waits", "1: another Sysbox is put in place later.", *agent->until != '\0');
	family(out, "berth_converge_last_duration_seconds", "gauge", "How long the last one took.");
	strbuf_printf(out, "berth_converge_last_duration_seconds %.3f\n", (double)agent->last_duration / 1000);
	family(out, "berth_agent_events", "counter", "What the kernel and Docker told.");
	for (int i = 0; i < SOURCE_COUNT; i++)
		strbuf_printf(out, "berth_agent_events_total{source=\"%s\"} %" PRIu64 "\n", SOURCES[i],
			      agent->events[i]);
}

/* ---- the pool and its sandboxes ---- */

static void pool(struct strbuf *out, const struct agent *agent)
{
	const struct sight *s = &agent->sight;

	if (!s->has_pool)
		return;
	gauge(out, "berth_pool_size_bytes", "Size of the pool's file system.", s->pool_size);
	gauge(out, "berth_pool_used_bytes", "Used of it.", s->pool_used);
	gauge(out, "berth_pool_available_bytes", "Free of it.", s->pool_size - s->pool_used);
	gauge(out, "berth_pool_inodes_used", "Files and directories on it.", s->pool_inodes_used);
	gauge(out, "berth_backing_available_bytes", "Free on the disk below the pool's image; 0 for a device.",
	      s->disk_free);
	gauge(out, "berth_backing_reserve_bytes", "What shall stay free there.", agent->spec.pool.reserve);
	gauge(out, "berth_pool_hold", "1: no sandbox is started, the disk below is nearly full.", s->hold);
}

static void labels(struct strbuf *out, const struct usage *u)
{
	strbuf_printf(out, "{sandbox=\"%.*s\",name=\"", ID_SHOWN, u->id);
	label(out, u->name);
	strbuf_printf(out, "\",engine=\"%s\"} ", u->engine);
}

/* What the kernel has as a limit that is none is far from 0. */
static uint64_t told(uint64_t value, bool is_limit)
{
	return is_limit && budget_is_unlimited(value) ? 0 : value;
}

static void each_sandbox(struct strbuf *out, const struct usages *usages, const char *name,
			 const char *help, size_t member, bool is_limit)
{
	family(out, name, "gauge", help);
	for (size_t i = 0; i < usages->len; i++) {
		const struct usage *u = &usages->items[i];

		strbuf_puts(out, name);
		labels(out, u);
		strbuf_printf(out, "%" PRIu64 "\n",
			      told(*(const uint64_t *)((const char *)&u->quota + member), is_limit));
	}
}

static void sandboxes(struct strbuf *out, const struct agent *agent, const struct usages *usages)
{
	gauge(out, "berth_sandboxes", "Sandboxes with a budget.", usages->len);
	each_sandbox(out, usages, "berth_sandbox_used_bytes", "What counts in a sandbox's budget.",
		     offsetof(struct quota_usage, used), false);
	each_sandbox(out, usages, "berth_sandbox_limit_bytes", "A sandbox's budget; 0: unlimited.",
		     offsetof(struct quota_usage, hard), true);
	each_sandbox(out, usages, "berth_sandbox_inodes_used", "Files and directories of a sandbox.",
		     offsetof(struct quota_usage, inodes), false);
	each_sandbox(out, usages, "berth_sandbox_inodes_limit", "How many it may have; 0: unlimited.",
		     offsetof(struct quota_usage, inode_hard), true);
	family(out, "berth_sandbox_limit_hits", "counter",
	       "Writes that the kernel refused because a budget was used up.");
	for (size_t i = 0; i < usages->len; i++) {
		const struct usage *u = &usages->items[i];
		uint64_t hits = limit_hits_of(agent, u->quota.project, u->id);

		if (hits)
			strbuf_printf(out, "berth_sandbox_limit_hits_total{sandbox=\"%.*s\"} %" PRIu64 "\n",
				      ID_SHOWN, u->id, hits);
	}
	gauge(out, "berth_orphans", "Stashes whose sandbox is gone.", usages->orphans);
	gauge(out, "berth_orphan_bytes", "What they hold.", usages->orphan_bytes);
}

/* ---- the agent itself ---- */

static uint64_t resident_bytes(void)
{
	_cleanup_free_ char *text = NULL;
	const char *second;

	if (file_read_at(AT_FDCWD, "/proc/self/statm", 256, &text, NULL) < 0)
		return 0;
	second = strchr(text, ' ');
	return second ? strtoull(second + 1, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

static void process(struct strbuf *out, const struct agent *agent)
{
	struct rusage usage = { 0 };

	(void)getrusage(RUSAGE_SELF, &usage);
	gauge(out, "process_resident_memory_bytes", "Resident memory of the agent.", resident_bytes());
	family(out, "process_cpu_seconds", "counter", "CPU time of the agent.");
	strbuf_printf(out, "process_cpu_seconds_total %.2f\n",
		      (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
			      (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
	gauge(out, "process_start_time_seconds", "When the agent was started.", (uint64_t)agent->started);
}

void metrics_write(const struct agent *agent, const struct usages *usages, struct strbuf *out)
{
	family(out, "berth_build", "info", "The agent's version.");
	strbuf_puts(out, "berth_build_info{version=\"" BERTH_VERSION "\"} 1\n");
	gauge(out, "berth_host_ready", "1 while this is a proven sandbox host.", agent_is_ready(agent));
	faults(out, agent);
	convergence(out, agent);
	pool(out, agent);
	sandboxes(out, agent, usages);
	kube_metrics(agent, out);
	process(out, agent);
	strbuf_puts(out, "# EOF\n");
}
