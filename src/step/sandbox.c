#include "step/sandbox.h"

#include "engine/docker_container.h"
#include "engine/docker_image.h"
#include "engine/image.h"
#include "sandbox/bundle.h"
#include "step/layout.h"
#include "step/embedded.h"

#define IMAGE	  SANDBOX_NAME ":probe"
#define DEADLINE  120000 /* ms; a first start is slow on a busy machine */

static const char REMEDY[] = "docker run --rm --runtime=sysbox-runc IMAGE tells more; journalctl -u "
			     "docker -u sysbox-mgr -u sysbox-fs";

static bool any_has(const json_t *array, const char *needle)
{
	json_t *value;
	size_t i;

	json_array_foreach(array, i, value) {
		if (strstr(json_string_value(value) ? json_string_value(value) : "", needle))
			return true;
	}
	return false;
}

static void judge_map(const json_t *probe, struct report *report)
{
	const char *map = json_get_string(probe, "uid_map");
	bool root_outside = !map || strncmp(map, "0 0 ", 4) == 0;

	if (json_get_int(probe, "uid", -1) != 0)
		report_add(report, "sandbox.root", CHECK_FAIL, REMEDY,
			   "the sandbox's process is not root inside");
	else if (root_outside)
		report_add(report, "sandbox.userns", CHECK_FAIL, REMEDY,
			   "root inside the sandbox is root outside (uid_map '%s')", map ? map : "");
	else
		report_add(report, "sandbox.userns", CHECK_PASS, NULL,
			   "root inside is not root outside (uid_map '%s')", map);
}

static void judge_views(const json_t *probe, bool stand_in, struct report *report)
{
	bool proc = any_has(json_object_get(probe, "proc_mounts"), "fuse");
	bool sys = any_has(json_object_get(probe, "sys_mounts"), "fuse");

	if (stand_in)
		report_add(report, "sandbox.views", CHECK_SKIP, NULL,
			   "this Sysbox is a test stand-in without views of /proc and /sys of its own");
	else
		report_add(report, "sandbox.views", proc && sys ? CHECK_PASS : CHECK_FAIL,
			   proc && sys ? NULL : REMEDY,
			   "the sandbox has %s /proc and %s /sys views of its own", proc ? "its" : "no",
			   sys ? "its" : "no");
}

/* It wrote into its layer and into what its inner Docker has: together no more than its budget. */
static void judge_budget(const json_t *probe, struct report *report)
{
	json_int_t layer = json_get_int(probe, "filled_layer", 0);
	json_int_t inner = json_get_int(probe, "filled_inner", 0);
	json_int_t stopped = json_get_int(probe, "stopped_by", 0);

	if (stopped == ENOSPC && layer > 0 && inner > 0 && layer + inner <= SANDBOX_BUDGET)
		report_add(report, "sandbox.budget", CHECK_PASS, NULL,
			   "a sandbox of 16M was stopped at %.1fM, over its layer and its inner Docker together",
			   (double)(layer + inner) / 1048576);
	else
		report_add(report, "sandbox.budget", CHECK_FAIL,
			   "docker info must name " BERTH_RUNC " for " RUNTIME_NAME "; berth quota reconcile",
			   "a sandbox of 16M wrote %.1fM into its layer and %.1fM into its inner Docker and was %s",
			   (double)layer / 1048576, (double)inner / 1048576,
			   stopped == ENOSPC ? "stopped there" : stopped ? strerror((int)stopped) : "not stopped");
}

void sandbox_judge(const json_t *probe, bool stand_in, struct report *report)
{
	judge_map(probe, report);
	judge_views(probe, stand_in, report);
	judge_budget(probe, report);
}

static bool is_stand_in(struct step_context *ctx)
{
	_cleanup_(strbuf_release) struct strbuf said = STRBUF_INIT;

	return host_version(ctx->host, SYSBOX_RUNC, &said, NULL) == 0 && strstr(strbuf_str(&said), "stand-in");
}

static int load_image(const struct docker *docker, struct error *err)
{
	_cleanup_(strbuf_release) struct strbuf tar = STRBUF_INIT;
	size_t len;
	const void *binary = embedded_probe(&len);
	int r = image_build(IMAGE, binary, len, "/berth-probe", &tar, err);

	return r < 0 ? r : docker_image_load(docker, strbuf_str(&tar), tar.len, DEADLINE, err);
}

int sandbox_take_away(const struct docker *docker, struct error *err)
{
	int r = docker_container_remove(docker, SANDBOX_NAME, DEADLINE, err);

	return r < 0 ? r : docker_image_remove(docker, IMAGE, true, DEADLINE, err);
}

/* Create, start, wait, read; the container stays. */
static int run_probe(const struct docker *docker, struct strbuf *out, struct error *err)
{
	_cleanup_json_ json_t *config =
		json_pack("{s:s, s:{s:s, s:s, s:{s:s}}, s:b, s:{s:s}}", "Image", IMAGE, "HostConfig",
			  "Runtime", RUNTIME_NAME, "NetworkMode", "none", "LogConfig", "Type", "json-file",
			  "NetworkDisabled", 1, "Labels", ANNOTATION_DISK, "16M");
	_cleanup_(strbuf_release) struct strbuf complaints = STRBUF_INIT;
	_cleanup_free_ char *id = NULL;
	struct error ignored = ERROR_INIT;
	int64_t status = 0;
	int r;

	(void)docker_container_remove(docker, SANDBOX_NAME, DEADLINE, &ignored);
	r = docker_container_create(docker, SANDBOX_NAME, config, DEADLINE, &id, err);
	if (r == 0)
		r = docker_container_start(docker, id, DEADLINE, err);
	if (r == 0)
		r = docker_container_wait(docker, id, DEADLINE, &status, err);
	if (r == 0)
		r = docker_container_logs(docker, id, 65536, DEADLINE, out, &complaints, err);
	if (r == 0 && status != 0)
		r = error_set(err, EPROTO, "the probe ended with status %d: %.200s", (int)status,
			      strbuf_str(&complaints));
	return r;
}

int sandbox_verify(struct step_context *ctx, struct report *report, struct error *err)
{
	_cleanup_(docker_release) struct docker docker = DOCKER_INIT;
	_cleanup_(strbuf_release) struct strbuf out = STRBUF_INIT;
	_cleanup_json_ json_t *probe = NULL;
	struct error why = ERROR_INIT, ignored = ERROR_INIT;
	int r;

	(void)err;
	if (host_is_rooted(ctx->host) || !ctx->spec->verify.sandbox) {
		report_add(report, "sandbox", CHECK_SKIP, NULL, "%s",
			   host_is_rooted(ctx->host) ? "a folder starts no sandbox" :
						       "verify.sandbox is false");
		return 0;
	}
	progress_activity(ctx->change.progress, "starting a sandbox");
	r = docker_open(ctx->host, &docker, &why);
	if (r == 0)
		r = load_image(&docker, &why);
	if (r == 0)
		r = run_probe(&docker, &out, &why);
	if (r == 0)
		r = json_parse(strbuf_str(&out), out.len, "the probe's answer", &probe, &why);
	if (docker.socket)
		(void)sandbox_take_away(&docker, &ignored);
	if (r < 0) {
		report_add(report, "sandbox.starts", CHECK_FAIL, REMEDY, "no sandbox can be started: %s",
			   why.message);
		return 0;
	}
	report_add(report, "sandbox.starts", CHECK_PASS, NULL, "a sandbox started and ended");
	sandbox_judge(probe, is_stand_in(ctx), report);
	return 0;
}
