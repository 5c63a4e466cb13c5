/*
 * A step: one thing that must hold on a sandbox host.
 *
 * To add one: write src/step/NAME.c with a `const struct step step_NAME`, and put it into the table
 * of steps.c at the place in the order where it belongs. Everything else (diff, journal, progress,
 * crash-safety, undo) comes with the kinds of change it plans.
 */
#ifndef STEP_STEP_H
#define STEP_STEP_H

#include "base/digest.h"
#include "change/plan.h"
#include "host/packages.h"
#include "spec/spec.h"
#include "step/report.h"
#include "sys/mountinfo.h"

/* What steps look at, read once a run and again after the host was changed (facts_read). */
struct facts {
	struct package_db packages;
	struct mount_table mounts;
	char *docker_package; /* "docker.io", "docker-ce"..., "dockerd" when it is not from a package; NULL: none */
	bool docker_running;
	json_t *docker_info; /* GET /info of a running Docker, else NULL */
	bool pool_mounted;   /* an XFS at POOL_DIR */
};

struct step_context {
	struct change_context change;
	const struct host *host;
	const struct spec *spec;
	const char *kept_spec; /* settings by --config, to be kept on the host as text; NULL: they are its own */
	struct os os;
	struct facts facts;
	char *bundle_sysbox; /* Sysbox's package in an extracted bundle, or NULL */
	char bundle_sysbox_sha256[DIGEST_HEX_MAX];
	bool wants_agent;	/* as a service, asked for by this run */
	bool resuming_packages; /* a package transaction of ours was cut off */
	const char *self; /* path of the running program as this process sees it */
	int runc_fd;	  /* berth-runc's bytes as a file, made when first asked for; 0 before */
};

int facts_read(struct step_context *ctx, struct error *err);
void facts_release(struct facts *facts);

struct step {
	const char *name;    /* "pool" */
	const char *summary; /* what holds afterwards, in a few words */

	/* Is it a step of such a host? NULL: of every one. */
	bool (*wanted)(const struct spec *spec);

	/*
	 * What it changes lies beneath a Docker that runs on the root disk: it is not done by itself then (`--step`), but in
	 * an installation, which stops Docker and starts it again on the pool.
	 */
	bool beneath_docker;

	/*
	 * One line of what is there now, for `berth status`, and its colour: CHECK_PASS, which it has before,
	 * CHECK_WARN for what is there and not at work, CHECK_SKIP for what is not there. Optional.
	 */
	int (*probe)(struct step_context *ctx, struct strbuf *ret, enum verdict *ret_verdict,
		     struct error *err);

	/* What must be so before the first change of any step. Optional. */
	int (*check)(struct step_context *ctx, struct report *report, struct error *err);

	/* Put the changes that are needed into the plan. Optional. */
	int (*plan)(struct step_context *ctx, struct plan *plan, struct error *err);

	/* Prove it with the real thing. Optional. */
	int (*verify)(struct step_context *ctx, struct report *report, struct error *err);

	/* After all steps were verified: let go of what was kept until then. Optional. */
	int (*settle)(struct step_context *ctx, struct error *err);
};

extern const struct step *const steps[]; /* in order, NULL-terminated */
const struct step *step_find(const char *name);

static inline bool step_wanted(const struct step *step, const struct spec *spec)
{
	return !step->wanted || step->wanted(spec);
}

#endif
