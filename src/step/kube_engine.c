#include "step/kube_engine.h"

#include "step/layout.h"

void kube_engine_probe(struct step_context *ctx, const struct kube_engine *e, struct strbuf *ret,
		       enum verdict *ret_verdict)
{
	_cleanup_(cri_status_release) struct cri_status status = CRI_STATUS_INIT;
	size_t pods = 0;

	if (engine_status(&ctx->change, &e->engine, &status, NULL) < 0) {
		strbuf_puts(ret, ", does not answer");
		*ret_verdict = CHECK_WARN;
	} else if (!cri_handler_find(&status, RUNTIME_NAME)) {
		strbuf_puts(ret, ", without the handler " RUNTIME_NAME);
		*ret_verdict = CHECK_WARN;
	} else {
		(void)engine_pods_of(&ctx->change, &e->engine, RUNTIME_NAME, &pods, NULL);
		strbuf_printf(ret, ", handler " RUNTIME_NAME ", %zu sandboxes", pods);
	}
}

static void verify_sandbox(struct step_context *ctx, const struct kube_engine *e, const struct cri_status *status,
			   const char *look, struct report *report)
{
	_cleanup_free_ char *socket = host_real_path(ctx->host, e->engine.socket);
	struct error why = ERROR_INIT;

	if (!ctx->spec->verify.sandbox)
		report_add(report, e->sandbox_id, CHECK_SKIP, NULL, "the settings say verify.sandbox: false");
	else if (!status->ready)
		report_add(report, e->sandbox_id, CHECK_SKIP, NULL, "the node takes no pods yet: %s",
		    status->reason ? status->reason : "it does not say why");
	else if (!socket || cri_try_sandbox(socket, RUNTIME_NAME, e->systemd_cgroup, &why) < 0)
		report_add(report, e->sandbox_id, CHECK_FAIL, look, "a pod's sandbox does not run: %s", why.message);
	else
		report_add(report, e->sandbox_id, CHECK_PASS, NULL, "a pod's sandbox ran, in a user namespace of its own");
}

void kube_engine_verify(struct step_context *ctx, const struct kube_engine *e, struct report *report)
{
	_cleanup_(cri_status_release) struct cri_status status = CRI_STATUS_INIT;
	const struct cri_handler *handler;
	struct error why = ERROR_INIT;
	char remedy[128], look[128];

	(void)snprintf(remedy, sizeof(remedy), "run berth install; journalctl -u %s", e->engine.unit);
	(void)snprintf(look, sizeof(look), "journalctl -u %s -u sysbox-mgr -u sysbox-fs", e->engine.unit);
	if (engine_status(&ctx->change, &e->engine, &status, &why) < 0) {
		report_add(report, e->answers_id, CHECK_FAIL, remedy, "%s", why.message);
		return;
	}
	report_add(report, e->answers_id, CHECK_PASS, NULL, "%s %s answers", e->name, status.version);
	handler = cri_handler_find(&status, RUNTIME_NAME);
	if (!handler) {
		report_add(report, e->handler_id, CHECK_FAIL, remedy, "%s does not tell of the handler " RUNTIME_NAME, e->name);
		return;
	}
	if (!handler->user_namespaces) {
		report_add(report, e->handler_id, CHECK_FAIL, remedy, "user namespaces are not offered by the handler " RUNTIME_NAME
		    ": kernel 6.3 or newer, and the runtime's verb 'features', make them");
		return;
	}
	report_add(report, e->handler_id, CHECK_PASS, NULL, "%s tells the kubelet of the handler " RUNTIME_NAME
	    ", with user namespaces", e->name);
	verify_sandbox(ctx, e, &status, look, report);
}
