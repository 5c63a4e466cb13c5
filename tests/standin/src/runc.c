/*
 * sysbox-runc of the stand-in: the real runc, with a user namespace, ID-mapped files and volumes
 * added to every container that is created.
 */
#include "command.h"
#include "private.h"
#include "spec.h"
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

static pid_t runc_pid;

/* Where the engines look for the reason: the log, in the format asked for, and standard error. */
static int report(const struct command *command, const struct failure *f)
{
	_cleanup_(closep) int fd = -EBADF;
	_cleanup_(freep) char *quoted = NULL;
	json_t *text = json_string(f->text);
	char when[64] = "";
	time_t now = time(NULL);
	struct tm utc;

	say("%s", f->text);
	if (gmtime_r(&now, &utc))
		strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &utc);
	if (command->log)
		fd = open(command->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	quoted = json_dumps(text, JSON_ENCODE_ANY);
	json_decref(text);
	if (fd >= 0 && quoted)
		dprintf(fd,
			command->log_json ? "{\"level\":\"error\",\"msg\":%s,\"time\":\"%s\"}\n"
					  : "level=error msg=%s time=\"%s\"\n",
			quoted, when);
	return 1;
}

static int exec_runc(const struct command *command, struct failure *f)
{
	char path[4096];

	if (!find_program("runc", path, sizeof(path)))
		return fail(f, "the stand-in needs runc, which is not in PATH");
	execv(path, command->argv);
	return fail_errno(f, "execute '%s'", path);
}

static void forward(int signal_number)
{
	if (runc_pid > 0)
		kill(runc_pid, signal_number);
}

static void forward_signals(void)
{
	static const int forwarded[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2 };
	struct sigaction action = { .sa_handler = forward, .sa_flags = SA_RESTART };

	for (size_t i = 0; i < ARRAY_SIZE(forwarded); i++)
		sigaction(forwarded[i], &action, NULL);
}

/* runc's exit status, or 128 and the signal. */
static int wait_for_runc(void)
{
	int status;

	while (waitpid(runc_pid, &status, 0) < 0)
		if (errno != EINTR)
			return 1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int tell(const char *program, const char *path, const char *verb, const char *id)
{
	_cleanup_(json_decrefp) json_t *request = json_pack("{ss ss}", "verb", verb, "id", id);
	struct failure ignored;

	return wire_ask(program, path, request, NULL, &ignored);
}

static void unregister(const char *id)
{
	(void)tell("sysbox-mgr", MGR_SOCKET, "unregister", id);
	(void)tell("sysbox-fs", FS_SOCKET, "unregister", id);
}

static int register_with_fs(const char *id, struct failure *f)
{
	_cleanup_(json_decrefp) json_t *request =
		json_pack("{ss ss}", "verb", "register", "id", id);

	return wire_ask("sysbox-fs", FS_SOCKET, request, NULL, f);
}

static int register_with_mgr(const char *id, const json_t *spec, struct private_plan *plan,
			     json_t **ret_answer, struct failure *f)
{
	_cleanup_(json_decrefp) json_t *request =
		json_pack("{ss ss ss so}", "verb", "register", "id", id, "rootfs", plan->rootfs,
			  "taken", spec_targets(spec));
	json_t *answer;

	if (!request)
		return fail(f, "the container cannot be described in JSON");
	if (plan->own) {
		json_object_set_new(request, "base", json_integer(plan->range.base));
		json_object_set_new(request, "size", json_integer(plan->range.size));
	}
	if (wire_ask("sysbox-mgr", MGR_SOCKET, request, &answer, f) < 0)
		return -1;
	plan->range.base = (uint32_t)json_integer_value(json_object_get(answer, "base"));
	plan->range.size = (uint32_t)json_integer_value(json_object_get(answer, "size"));
	plan->idmapped = json_is_true(json_object_get(answer, "idmapped"));
	plan->volumes = json_object_get(answer, "mounts");
	*ret_answer = answer;
	return 0;
}

/* The pipes of a container without a terminal are root's: its programs could not open them anew. */
static void give_pipes(uid_t owner)
{
	for (int fd = 0; fd < 3; fd++) {
		struct stat st;

		if (fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode) && fchown(fd, owner, owner) < 0)
			say("chown of descriptor %d: %s", fd, strerror(errno));
	}
}

/* The child sets the stage and becomes runc; this process stays to clean up when it fails. */
static int run_in_private(const struct command *command, const struct private_plan *plan,
			  json_t *spec, struct failure *f)
{
	runc_pid = fork();
	if (runc_pid < 0)
		return fail_errno(f, "fork");
	if (runc_pid == 0) {
		give_pipes(plan->range.base);
		spec_open_up(spec, plan->range, plan->own);
		if (private_enter(plan, spec, f) == 0)
			(void)exec_runc(command, f);
		_exit(report(command, f));
	}
	forward_signals();
	return wait_for_runc();
}

/* `run` without --detach has deleted the container when it returns. */
static bool is_gone(const struct command *command)
{
	_cleanup_(freep) char *state = format_string("%s/%s", command->root, command->id);

	return access(state, F_OK) < 0;
}

static int create(const struct command *command, struct failure *f)
{
	_cleanup_(freep) char *bundle = realpath(command->bundle ? command->bundle : ".", NULL);
	_cleanup_(freep) char *config = bundle ? format_string("%s/config.json", bundle) : NULL;
	_cleanup_(freep) char *rootfs = NULL;
	_cleanup_(json_decrefp) json_t *spec = NULL;
	_cleanup_(json_decrefp) json_t *answer = NULL;
	struct private_plan plan = { .bundle = bundle };
	int r;

	if (!bundle)
		return fail_errno(f, "find the bundle");
	if (!valid_id(command->id))
		return fail(f, "no container id");
	if (spec_load(config, &spec, f) < 0 || spec_check(spec, f) < 0 ||
	    spec_rootfs(spec, bundle, &rootfs, f) < 0)
		return -1;
	plan.rootfs = rootfs;
	r = spec_own_range(spec, &plan.range, f);
	if (r < 0)
		return -1;
	plan.own = r;
	if (register_with_fs(command->id, f) < 0)
		return -1;
	if (register_with_mgr(command->id, spec, &plan, &answer, f) < 0) {
		(void)tell("sysbox-fs", FS_SOCKET, "unregister", command->id);
		return -1;
	}
	r = run_in_private(command, &plan, spec, f);
	if (r != 0 || is_gone(command))
		unregister(command->id);
	return r;
}

static int delete (const struct command *command, struct failure *f)
{
	int r;

	runc_pid = fork();
	if (runc_pid < 0)
		return fail_errno(f, "fork");
	if (runc_pid == 0) {
		(void)exec_runc(command, f);
		_exit(report(command, f));
	}
	r = wait_for_runc();
	if (valid_id(command->id) && is_gone(command))
		unregister(command->id);
	return r;
}

/* As at the start: all capabilities, no profile. The file is the engine's, so change a copy. */
static int exec(struct command *command, struct failure *f)
{
	_cleanup_(json_decrefp) json_t *process = NULL;
	int fd;

	if (command->process_word >= 0) {
		if (spec_load(command->argv[command->process_word], &process, f) < 0)
			return -1;
		spec_open_up_process(process);
		fd = memfd_create("process", 0);
		if (fd < 0 || json_dumpfd(process, fd, JSON_COMPACT) < 0)
			return fail_errno(f, "copy '%s'", command->argv[command->process_word]);
		command->argv[command->process_word] = format_string("/proc/self/fd/%d", fd);
	}
	return exec_runc(command, f);
}

int main(int argc, char *argv[])
{
	struct command command;
	struct failure f = { "" };
	int r;

	command_parse(argc, argv, &command);
	if (command.version) {
		print_version("sysbox-runc");
		return 0;
	}
	if (command.verb &&
	    (strcmp(command.verb, "create") == 0 || strcmp(command.verb, "run") == 0))
		r = create(&command, &f);
	else if (command.verb && strcmp(command.verb, "delete") == 0)
		r = delete (&command, &f);
	else if (command.verb && strcmp(command.verb, "exec") == 0)
		r = exec(&command, &f);
	else
		r = exec_runc(&command, &f);
	return r < 0 ? report(&command, &f) : r;
}
