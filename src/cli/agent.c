/* berth agent: keep it so. */
#include "agent/agent.h"

#include "cli/command.h"

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
		return command_agent_install(args);
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
