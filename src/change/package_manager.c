#include "change/package_manager.h"

#include "change/apt.h"
#include "change/apt_lists.h"
#include "change/dnf.h"

/* By enum package_family. */
static const struct package_manager MANAGERS[] = {
	[PACKAGES_APT] = {
		.fetch = apt_fetch,
		.candidate = apt_candidate,
		.install = apt_install,
		.finish = apt_configure_pending,
		.repair = apt_repair,
		.tells_cut_off = true,
		.remove = apt_purge,
		.simulate_remove = apt_simulate_purge,
	},
	[PACKAGES_DNF] = {
		.fetch = dnf_fetch,
		.candidate = dnf_candidate,
		.install = dnf_install,
		.repair = dnf_repair,
		.remove = dnf_remove,
		.simulate_remove = dnf_simulate_remove,
	},
};

int package_manager_of(const struct change_context *ctx, const struct package_manager **ret,
		       struct error *err)
{
	enum package_family family = ctx->os->packages;

	if (family == PACKAGES_NONE || family >= ARRAY_SIZE(MANAGERS))
		return error_set(
			err, EOPNOTSUPP,
			"installing packages on '%s' is not supported by this berth: install "
			"Docker and xfsprogs with the system's own package manager first",
			ctx->os->id);
	*ret = &MANAGERS[family];
	return 0;
}

int package_take_version(const char *line, char **ret, struct error *err)
{
	*ret = NULL;
	if (*line < '0' || *line > '9')
		return 0;
	*ret = strndup(line, strcspn(line, "\n"));
	return *ret ? 0 : error_errno(err, ENOMEM, "read a package's version");
}

static bool is_engine(const char *name)
{
	static const char *const ENGINES[] = { "containerd", "containerd.io", "cri-o", "runc",
					       "crun" };

	for (size_t i = 0; i < ARRAY_SIZE(ENGINES); i++) {
		if (strcmp(name, ENGINES[i]) == 0)
			return true;
	}
	return false;
}

int package_refuse_removal(const char *name, struct error *err)
{
	return error_set(
		err, EPERM,
		"installing would remove the package '%s': berth removes nothing of yours; "
		"remove it yourself if it is not needed, and run again",
		name);
}

int package_judge_upgrade(struct change_context *ctx, const char *name, const char *hold,
			  struct error *err)
{
	const struct unit_state *kubelet;
	int r;

	if (!is_engine(name))
		return 0;
	r = context_unit(ctx, "kubelet.service", &kubelet, err);
	if (r < 0 || !unit_is(kubelet->load, "loaded"))
		return r;
	return error_set(err, EPERM,
			 "installing would upgrade '%s', the container engine under this node's "
			 "kubelet: hold it (%s %s) or upgrade it yourself first",
			 name, hold, name);
}
