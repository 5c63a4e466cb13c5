/* The table of commands. */
#include "cli/command.h"

const struct command commands[] = {
	{ .name = "plan",
	  .operands = "",
	  .summary = "Show every change that would be made, and what it interrupts",
	  .details = "Checks the machine and prints a diff of every file, setting, package, unit and mount\n"
		     "that differs from the settings. Changes nothing. Exit status 2: changes are pending.",
	  .options = OPT_JSON | OPT_STEP | OPT_BUNDLE,
	  .run = command_plan },
	{ .name = "install",
	  .operands = "",
	  .summary = "Make this machine a sandbox host",
	  .details = "Checks, fetches what is needed, makes the changes one by one (each noted in the journal\n"
		     "first) and proves the result with a real sandbox. Cut off at any point, the next run\n"
		     "finishes the job. Where nothing is to be done it says so.",
	  .options = OPT_JSON | OPT_STEP | OPT_DRY_RUN | OPT_WAIT | OPT_BUNDLE,
	  .run = command_install },
	{ .name = "verify",
	  .operands = "",
	  .summary = "Prove that this machine is a working sandbox host",
	  .details = "Docker, runtime, storage, quota enforcement by filling a small project, and a real\n"
		     "sandbox. Exit status 2: checks failed.",
	  .options = OPT_JSON | OPT_STEP | OPT_WAIT,
	  .run = command_verify },
	{ .name = "status",
	  .operands = "",
	  .summary = "Say what is there now",
	  .details = "A line for each step, and what the journal knows. --journal lists its records.",
	  .options = OPT_JSON | OPT_JOURNAL,
	  .run = command_status },
	{ .name = "agent",
	  .operands = "",
	  .summary = "Keep this machine a sandbox host, for ever",
	  .details = "Waits for what the kernel and Docker tell, and puts right what drifted, as far as that costs\n"
		     "no sandbox anything. Answers /metrics, /healthz and /readyz at agent.listen. SIGHUP reads\n"
		     "the settings again, SIGTERM ends it; the machine stays as it is. --install-unit: as the\n"
		     "service berth-agent, by the settings of --config; in a pod with --enter-host.",
	  .options = OPT_AGENT | OPT_WAIT,
	  .run = command_agent },
	{ .name = "converge",
	  .operands = "",
	  .summary = "Put right what drifted, as far as an agent may (run by berth agent)",
	  .details = "What 'berth install' does, less what could cost a sandbox something. A verb for the agent.",
	  .options = OPT_JSON | OPT_WAIT | OPT_CONVERGE,
	  .hidden = true,
	  .run = command_converge },
	{ .name = "uninstall",
	  .operands = "",
	  .summary = "Put everything back as it was",
	  .details = "Walks the journal back. A thing goes back only if it is still what berth left; what is\n"
		     "not is reported and left. Containers are stopped, and Docker's data goes back to\n"
		     "/var/lib/docker where it fits.",
	  .options = OPT_JSON | OPT_DRY_RUN | OPT_WAIT | OPT_DELETE_DATA,
	  .run = command_uninstall },
	{ .name = "config",
	  .operands = "check [FILE] | show",
	  .summary = "Check the settings, or show them with the origin of each value",
	  .details = "See berth-config(5) for the keys.",
	  .options = OPT_JSON,
	  .min = 1,
	  .max = 2,
	  .run = command_config },
	{ .name = "bundle",
	  .operands = "create | verify FILE",
	  .summary = "Make or check one file with everything an offline installation needs",
	  .details = "create: run it on a machine of the same suite and architecture with network; it\n"
		     "resolves the packages as apt would on a clean node. verify: every digest in FILE.\n"
		     "Then: berth install --bundle FILE.",
	  .options = OPT_JSON | OPT_CREATE | OPT_WAIT,
	  .min = 1,
	  .max = 2,
	  .run = command_bundle },
	{ .name = "pool",
	  .operands = "status | grow [SIZE] | trim | auto",
	  .summary = "Look at the pool, let it grow while it is in use, trim it",
	  .details = "status: how full, what it is on, how far it may grow, and whether the disk below will do.\n"
		     "grow: to SIZE (80G, or +10G for more), as far as the disk below has room beside\n"
		     "pool.reserve; on a device SIZE can be left out: all of it. A pool does not shrink.\n"
		     "trim: give free space back to the disk below. auto: one pass of what a timer does every\n"
		     "minute: grow where pool.grow_at says so, and exit 1 where it cannot, or where the disk\n"
		     "below runs full.",
	  .options = OPT_JSON | OPT_WAIT,
	  .min = 1,
	  .max = 2,
	  .run = command_pool },
	{ .name = "quota",
	  .operands = "ls | get SANDBOX | set SANDBOX SIZE | reconcile",
	  .summary = "Disk budgets of sandboxes: list, change, put right",
	  .details = "SANDBOX: a name, an id or the beginning of one. SIZE: 10G, 512M, 'unlimited' where the\n"
		     "settings allow it, or 'default': what its label, its engine or the settings say. set\n"
		     "counts at once and outlives restarts. reconcile puts right what drifted, releases what\n"
		     "sandboxes that are gone have left, and says what it did.",
	  .options = OPT_JSON | OPT_LIST | OPT_FORCE | OPT_DRY_RUN,
	  .min = 1,
	  .max = 3,
	  .run = command_quota },
	{ .name = "stash",
	  .operands = "[stopping]",
	  .summary = "Keep sandboxes' inner data from sysbox-mgr (run by its units)",
	  .details = "A verb for units, not for people. stopping: sysbox-mgr goes, nothing leaves the stash before\n"
		     "another one is there.",
	  .hidden = true,
	  .max = 1,
	  .run = command_stash },
	{ .name = "prune",
	  .operands = "[scheduled]",
	  .summary = "Remove unused images and build cache that are old enough",
	  .details = "Images that no container has, running or stopped, and build cache that no build uses:\n"
		     "unused for prune.older_than, or for the time of --older-than (0: at once). Never\n"
		     "containers or volumes. An image with the label berth.dev/keep stays. scheduled: as\n"
		     "berth-prune.service runs it; nothing is done where prune.enabled is false.",
	  .options = OPT_JSON | OPT_DRY_RUN | OPT_WAIT | OPT_OLDER_THAN,
	  .max = 1,
	  .run = command_prune },
	{ .name = "version",
	  .operands = "",
	  .summary = "Print berth's version",
	  .details = "",
	  .options = OPT_JSON,
	  .run = command_version },
	{ .name = NULL },
};

const struct command *command_find(const char *name)
{
	for (const struct command *c = commands; c->name; c++) {
		if (strcmp(c->name, name) == 0)
			return c;
	}
	return NULL;
}
