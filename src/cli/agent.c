/* berth agent: keep it so. */
#include "agent/agent.h"

#include "cli/command.h"

/* A service has what its unit says, which each installation writes anew: these would be lost. --config is kept. */
static int check_install(const struct arguments *args, struct error *err)
{
	const struct {
		const char *value, *option, *instead;
	} not_kept[] = {
		{ args->listen, "--listen", "set agent.listen in the settings" },
		{ args->log_format, "--log-format", "set agent.log_format in the settings" },
		{ args->node, "--node", "run the agent as a pod, or give its unit a drop-in with that ExecStart" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(not_kept); i++) {
		if (not_kept[i].value)
			return error_set(err, EINVAL, "--install-unit does not keep %s: %s", not_kept[i].option,
					 not_kept[i].instead);
	}
	return 0;
}

int command_agent(const struct arguments *args)
{
	const struct agent_options options = {
		.config = args->config,
		.listen = args->listen,
		.log_format = args->log_format,
		.node_name = args->node,
		.kube_folder = args->kube_folder,
	};
	struct error err = ERROR_INIT;

	if (args->install_unit)
		return check_install(args, &err) < 0 ? cli_fail(args, &err) : command_agent_install(args);
	if (args->log_format && strcmp(args->log_format, "logfmt") != 0 && strcmp(args->log_format, "json") != 0)
		error_set(&err, EINVAL, "--log-format is logfmt or json, not '%s'", args->log_format);
	else if (args->root)
		error_set(&err, EINVAL, "an agent keeps a machine, not a folder: leave out --root");
	else if (geteuid() != 0)
		error_set(&err, EPERM, "'berth agent' changes the system and must be root");
	else if (agent_run(&options, &err) == 0)
		return EXIT_DONE;
	return cli_fail(args, &err);
}
