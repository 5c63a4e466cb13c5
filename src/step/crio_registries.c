#include "step/crio_registries.h"

#include <fcntl.h>

#include "engine/hosts_toml.h"
#include "sys/dir_names.h"

#define REGISTRIES "/etc/containers/registries.conf.d/50-berth.conf"
#define CERTS	   "/etc/containers/certs.d"

typedef int (*visit_fn)(void *userdata, const char *registry, const struct registry_hosts *hosts);

/* Each folder of `folder` that has a hosts.toml, in order. */
static int each(struct step_context *ctx, const char *folder, visit_fn visit, void *userdata)
{
	_cleanup_(strv_release) struct strv names = STRV_INIT;
	_cleanup_fd_ int fd = folder ? host_open(ctx->host, folder, O_RDONLY | O_DIRECTORY, 0) : -ENOENT;
	int r = fd < 0 ? 0 : dir_names(fd, &names);

	strv_sort(&names);
	strv_foreach (&names, i, name) {
		_cleanup_(registry_hosts_release) struct registry_hosts hosts = REGISTRY_HOSTS_INIT;
		_cleanup_free_ char *path = xasprintf("%s/%s/hosts.toml", folder, name), *text = NULL;

		if (r < 0 || !path || host_read(ctx->host, path, FILE_CAP_DEFAULT, &text, NULL) < 0)
			continue;
		r = hosts_toml_read(text, &hosts);
		if (r == 0)
			r = visit(userdata, name, &hosts);
	}
	return r;
}

/* Containerd's name for "every registry" has no like there. */
static bool is_default(const char *registry)
{
	return strcmp(registry, "_default") == 0;
}

static int warn_of(void *userdata, const char *registry, const struct registry_hosts *hosts)
{
	struct report *report = userdata;

	for (size_t i = 0; i < hosts->len; i++) {
		if (is_default(registry) || hosts->mirrors[i].unlike)
			report_add(report, "crio.mirrors", CHECK_WARN, "write it into /etc/containers/registries.conf.d in CRI-O's "
				   "way, or go without", "the mirror '%s' of %s is not carried over to CRI-O, which would ask it "
				   "in another way", hosts->mirrors[i].host, is_default(registry) ? "all registries" : registry);
	}
	return 0;
}

void crio_registries_check(struct step_context *ctx, const char *folder, struct report *report)
{
	(void)each(ctx, folder, warn_of, report);
}

/* What is planned: the text of one file, and a copy of each certificate. */
struct writer {
	struct step_context *ctx;
	struct plan *plan;
	const char *folder;
	struct strbuf text;
	struct error *err;
};

static int copy_authority(struct writer *w, const char *registry, const struct registry_mirror *mirror)
{
	_cleanup_free_ char *from = *mirror->authority == '/' ? strdup(mirror->authority) :
								xasprintf("%s/%s/%s", w->folder, registry, mirror->authority);
	_cleanup_free_ char *to = xasprintf(CERTS "/%s/berth-ca.crt", mirror->host), *text = NULL;
	int r = from && to ? host_read(w->ctx->host, from, FILE_CAP_DEFAULT, &text, NULL) : -ENOMEM;

	if (r < 0)
		return error_errno(w->err, r, "read the certificate '%s' of the mirror '%s'", mirror->authority, mirror->host);
	r = plan_file(w->plan, &w->ctx->change, to, text, 0644, "as containerd knows the mirror", w->err);
	return r < 0 ? r : 0;
}

static int write_one(void *userdata, const char *registry, const struct registry_hosts *hosts)
{
	struct writer *w = userdata;
	bool begun = false;
	int r = 0;

	for (size_t i = 0; r == 0 && i < hosts->len && !is_default(registry); i++) {
		const struct registry_mirror *mirror = &hosts->mirrors[i];

		if (mirror->unlike)
			continue;
		if (!begun)
			strbuf_printf(&w->text, "\n[[registry]]\nprefix = \"%s\"\nlocation = \"%s\"\n", registry,
				      hosts->server && strcmp(registry, "docker.io") != 0 ? hosts->server : registry);
		begun = true;
		strbuf_printf(&w->text, "\n[[registry.mirror]]\nlocation = \"%s\"\n%s", mirror->host,
			      mirror->insecure ? "insecure = true\n" : "");
		if (mirror->authority)
			r = copy_authority(w, registry, mirror);
	}
	return r;
}

int crio_registries_plan(struct step_context *ctx, const char *folder, struct plan *plan, struct error *err)
{
	struct writer w = { .ctx = ctx, .plan = plan, .folder = folder, .err = err };
	size_t head;
	int r;

	strbuf_puts(&w.text, "# Written by berth: mirrors as this node's containerd has them.\n");
	head = w.text.len;
	r = each(ctx, folder, write_one, &w);
	if (r < 0 && !err->code)
		r = error_errno(err, r, "carry the mirrors of '%s' over", folder);
	if (r == 0 && w.text.len > head)
		r = plan_file(plan, &ctx->change, REGISTRIES, strbuf_str(&w.text), 0644, "mirrors as the node had them", err);
	strbuf_release(&w.text);
	return r < 0 ? r : 0;
}
