#include "change/own_scope.h"

#include <fcntl.h>

static bool is_in_pod(void)
{
	_cleanup_free_ char *text = NULL;

	return file_read_at(AT_FDCWD, "/proc/self/cgroup", 65536, &text, NULL) == 0 && strstr(text, "kubepods");
}

int own_scope_enter(struct change_context *ctx, const char *name, struct error *err)
{
	_cleanup_free_ char *scope = xasprintf("%s-%d.scope", name, (int)getpid());
	_cleanup_free_ char *pid = xasprintf("%d", (int)getpid());
	/* StartTransientUnit(name, mode, properties: PIDs = [pid], auxiliary units: none). */
	const char *const argv[] = { "busctl", "--system", "call", "org.freedesktop.systemd1",
				     "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager", "StartTransientUnit",
				     "ssa(sv)a(sa(sv))", scope, "fail", "1", "PIDs", "au", "1", pid, "0", NULL };
	struct spawn_options options = { .timeout_ms = 30000 };
	int r;

	if (host_is_rooted(ctx->host) || !is_in_pod())
		return 0;
	if (!scope || !pid)
		return error_errno(err, ENOMEM, "leave the pod's cgroup");
	r = host_check(ctx->host, argv, &options, NULL, err);
	if (r < 0)
		return error_context(err, "leave the pod's cgroup");
	for (int i = 0; i < 50 && is_in_pod(); i++)
		(void)usleep(100000);
	return is_in_pod() ? error_set(err, ETIMEDOUT, "systemd has not moved berth out of its pod's cgroup") : 0;
}
