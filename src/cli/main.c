/* berth: the command line. */
#include <fcntl.h>
#include <getopt.h>
#include <locale.h>
#include <malloc.h>
#include <signal.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/units.h"
#include "cli/command.h"
#include "cli/nsenter.h"
#include "kube/access.h"
#include "sys/namespace.h"

enum {
	LONG_ROOT = 256,
	LONG_CONFIG,
	LONG_JSON,
	LONG_STEP,
	LONG_DRY_RUN,
	LONG_WAIT,
	LONG_BUNDLE,
	LONG_DELETE_DATA,
	LONG_JOURNAL,
	LONG_SUITE,
	LONG_ARCH,
	LONG_OUTPUT,
	LONG_ENTER_HOST,
	LONG_SORT,
	LONG_FILTER,
	LONG_WATCH,
	LONG_FORCE,
	LONG_OLDER_THAN,
	LONG_LISTEN,
	LONG_NODE,
	LONG_LOG_FORMAT,
	LONG_INSTALL_UNIT,
	LONG_QUICK,
	LONG_INTERRUPTS,
	LONG_REPAIR,
	LONG_UNIT,
	LONG_EVICT,
	LONG_VERSION,
};

static const struct option LONG_OPTIONS[] = {
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, LONG_VERSION },
	{ "quiet", no_argument, NULL, 'q' },
	{ "root", required_argument, NULL, LONG_ROOT },
	{ "config", required_argument, NULL, LONG_CONFIG },
	{ "enter-host", no_argument, NULL, LONG_ENTER_HOST },
	{ "json", no_argument, NULL, LONG_JSON },
	{ "step", required_argument, NULL, LONG_STEP },
	{ "dry-run", no_argument, NULL, LONG_DRY_RUN },
	{ "wait", optional_argument, NULL, LONG_WAIT },
	{ "bundle", required_argument, NULL, LONG_BUNDLE },
	{ "older-than", required_argument, NULL, LONG_OLDER_THAN },
	{ "delete-data", no_argument, NULL, LONG_DELETE_DATA },
	{ "journal", no_argument, NULL, LONG_JOURNAL },
	{ "suite", required_argument, NULL, LONG_SUITE },
	{ "arch", required_argument, NULL, LONG_ARCH },
	{ "output", required_argument, NULL, LONG_OUTPUT },
	{ "sort", required_argument, NULL, LONG_SORT },
	{ "filter", required_argument, NULL, LONG_FILTER },
	{ "watch", no_argument, NULL, LONG_WATCH },
	{ "force", no_argument, NULL, LONG_FORCE },
	{ "listen", required_argument, NULL, LONG_LISTEN },
	{ "node", required_argument, NULL, LONG_NODE },
	{ "log-format", required_argument, NULL, LONG_LOG_FORMAT },
	{ "install-unit", no_argument, NULL, LONG_INSTALL_UNIT },
	{ "quick", no_argument, NULL, LONG_QUICK },
	{ "interrupts", no_argument, NULL, LONG_INTERRUPTS },
	{ "repair", no_argument, NULL, LONG_REPAIR },
	{ "unit", required_argument, NULL, LONG_UNIT },
	{ "evict-stranded", no_argument, NULL, LONG_EVICT },
	{ NULL },
};

/* Which of a command's options a long option belongs to; 0: every command has it. */
static const struct {
	int value;
	unsigned option;
} BELONGS[] = {
	{ LONG_JSON, OPT_JSON },     { LONG_STEP, OPT_STEP },
	{ LONG_DRY_RUN, OPT_DRY_RUN }, { LONG_WAIT, OPT_WAIT },
	{ LONG_BUNDLE, OPT_BUNDLE }, { LONG_DELETE_DATA, OPT_DELETE_DATA },
	{ LONG_JOURNAL, OPT_JOURNAL }, { LONG_SUITE, OPT_CREATE },
	{ LONG_ARCH, OPT_CREATE },   { LONG_OUTPUT, OPT_CREATE },
	{ LONG_SORT, OPT_LIST },     { LONG_FILTER, OPT_LIST },
	{ LONG_WATCH, OPT_LIST },    { LONG_FORCE, OPT_FORCE },
	{ LONG_OLDER_THAN, OPT_OLDER_THAN }, { LONG_LISTEN, OPT_AGENT },
	{ LONG_NODE, OPT_AGENT },    { LONG_LOG_FORMAT, OPT_AGENT },
	{ LONG_INSTALL_UNIT, OPT_AGENT }, { LONG_QUICK, OPT_CONVERGE },
	{ LONG_INTERRUPTS, OPT_CONVERGE }, { LONG_REPAIR, OPT_CONVERGE }, { LONG_UNIT, OPT_CONVERGE },
	{ LONG_EVICT, OPT_CONVERGE },
};

static const struct {
	unsigned option;
	const char *text, *help;
} OPTION_HELP[] = {
	{ OPT_JSON, "--json", "Print JSON" },
	{ OPT_STEP, "--step NAME", "Only this step" },
	{ OPT_DRY_RUN, "--dry-run", "Show what would be done and change nothing" },
	{ OPT_WAIT, "--wait[=TIME]", "Wait for another berth (10m, or TIME) instead of giving up" },
	{ OPT_OLDER_THAN, "--older-than TIME", "Unused for so long (12h, 30d), instead of prune.older_than" },
	{ OPT_BUNDLE, "--bundle FILE", "Take packages from FILE and use no network" },
	{ OPT_DELETE_DATA, "--delete-data", "Lose Docker's data where it cannot be brought back" },
	{ OPT_JOURNAL, "--journal", "List the journal's records" },
	{ OPT_CREATE, "--output FILE", "The bundle to make" },
	{ OPT_CREATE, "--suite NAME", "Insist on this suite (a bundle is for this machine's own)" },
	{ OPT_CREATE, "--arch NAME", "Insist on this architecture" },
	{ OPT_LIST, "--sort FIELD", "By name, used, limit, percent (default), inodes or id" },
	{ OPT_LIST, "--filter TEXT", "Only those whose name or id has TEXT in it" },
	{ OPT_LIST, "--watch", "Again every 2 seconds, redrawn in place" },
	{ OPT_FORCE, "--force", "Also a size below what is used" },
	{ OPT_CONVERGE, "--quick", "Prove it without starting a sandbox" },
	{ OPT_CONVERGE, "--interrupts", "Docker may be restarted where sandboxes go on meanwhile" },
	{ OPT_CONVERGE, "--repair", "Only where an installation is in force" },
	{ OPT_CONVERGE, "--unit NAME", "Only start this unit again, which an installation has started" },
	{ OPT_CONVERGE, "--evict-stranded", "Only evict the pods whose Sysbox was restarted under them" },
	{ OPT_AGENT, "--listen ADDR:PORT", "Where it answers, instead of agent.listen" },
	{ OPT_AGENT, "--node NAME", "The Kubernetes node this is" },
	{ OPT_AGENT, "--log-format NAME", "logfmt or json, instead of agent.log_format" },
	{ OPT_AGENT, "--install-unit", "Make it a systemd service of this host, and start it" },
	{ 0, "--root DIR", "Work on the host in the folder DIR instead of this machine" },
	{ 0, "--config FILE", "Settings (default " SPEC_PATH_DEFAULT "), which an installation keeps" },
	{ 0, "--enter-host", "From a privileged pod with hostPID: work on the host" },
	{ 0, "-q, --quiet", "Print errors only" },
	{ 0, "-h, --help", "This help" },
	{ 0, "--version", "Print berth's version" },
};

void print_usage(FILE *out)
{
	fputs("Usage: berth COMMAND [OPTION...]\n\n"
	      "Turns a Linux machine into a host for strongly isolated sandboxes (Docker + Sysbox), and\n"
	      "keeps it one.\n\nCommands:\n",
	      out);
	for (const struct command *c = commands; c->name; c++) {
		if (!c->hidden)
			fprintf(out, "  %-10s %s\n", c->name, c->summary);
	}
	fputs("\n'berth COMMAND --help' tells the options of a command; see also berth(8).\n", out);
}

void print_command_help(const struct command *command)
{
	printf("Usage: berth %s%s%s [OPTION...]\n\n%s.\n", command->name,
	       *command->operands ? " " : "", command->operands, command->summary);
	if (*command->details)
		printf("\n%s\n", command->details);
	puts("\nOptions:");
	for (size_t i = 0; i < ARRAY_SIZE(OPTION_HELP); i++) {
		if (!OPTION_HELP[i].option || (command->options & OPTION_HELP[i].option))
			printf("  %-17s %s\n", OPTION_HELP[i].text, OPTION_HELP[i].help);
	}
}

_printf_(1, 2) static int usage_error(const char *fmt, ...)
{
	struct strbuf text = STRBUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	strbuf_vprintf(&text, fmt, ap);
	va_end(ap);
	log_error("%s; 'berth --help' tells what there is", strbuf_str(&text));
	strbuf_release(&text);
	return EXIT_USAGE;
}

static bool allowed(const struct command *command, int value)
{
	for (size_t i = 0; i < ARRAY_SIZE(BELONGS); i++) {
		if (BELONGS[i].value == value)
			return command && (command->options & BELONGS[i].option);
	}
	return true;
}

static const char *option_name(int value)
{
	for (const struct option *o = LONG_OPTIONS; o->name; o++) {
		if (o->val == value)
			return o->name;
	}
	return "?";
}

static int take_wait(struct arguments *args)
{
	args->wait_ms = 10 * 60 * 1000;
	if (optarg && duration_parse(optarg, &args->wait_ms) < 0)
		return usage_error("--wait takes a time as 30s or 10m, not '%s'", optarg);
	return 0;
}

static int take_option(struct arguments *args, int value)
{
	const struct {
		int value;
		const char **to;
	} texts[] = {
		{ LONG_ROOT, &args->root },	{ LONG_CONFIG, &args->config },
		{ LONG_STEP, &args->step },	{ LONG_BUNDLE, &args->bundle },
		{ LONG_SUITE, &args->suite },	{ LONG_ARCH, &args->arch },
		{ LONG_OUTPUT, &args->output },	{ LONG_SORT, &args->sort },
		{ LONG_FILTER, &args->filter },
		{ LONG_OLDER_THAN, &args->older_than },
		{ LONG_LISTEN, &args->listen },	{ LONG_NODE, &args->node },
		{ LONG_UNIT, &args->unit },
		{ LONG_LOG_FORMAT, &args->log_format },
	};
	const struct {
		int value;
		bool *to;
	} flags[] = {
		{ LONG_JSON, &args->json },	  { LONG_DRY_RUN, &args->dry_run },
		{ LONG_JOURNAL, &args->journal }, { LONG_DELETE_DATA, &args->delete_data },
		{ LONG_ENTER_HOST, &args->enter_host }, { 'q', &args->quiet },
		{ 'h', &args->help },		  { LONG_WATCH, &args->watch },
		{ LONG_FORCE, &args->force },	  { LONG_QUICK, &args->quick },
		{ LONG_INTERRUPTS, &args->interrupts },
		{ LONG_REPAIR, &args->repair },	  { LONG_EVICT, &args->evict },
		{ LONG_INSTALL_UNIT, &args->install_unit },
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		if (texts[i].value == value) {
			if (!*optarg)
				return usage_error("--%s takes a value", option_name(value));
			*texts[i].to = optarg;
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		if (flags[i].value == value)
			*flags[i].to = true;
	}
	return value == LONG_WAIT ? take_wait(args) : 0;
}

/* Does this word take the next one as its value? Long options may be abbreviated. */
static bool takes_next(const char *word)
{
	const char *name = word + 2;
	size_t n;

	if (strncmp(word, "--", 2) != 0 || !*name || strchr(name, '='))
		return false;
	n = strlen(name);
	for (const struct option *o = LONG_OPTIONS; o->name; o++) {
		if (strncmp(o->name, name, n) == 0)
			return o->has_arg == required_argument;
	}
	return false;
}

/* The first operand is the command, the second perhaps its subject; options may stand anywhere. */
static const char *operand(int argc, char **argv, int number)
{
	for (int i = 1; i < argc; i++) {
		if (takes_next(argv[i]))
			i++;
		else if (argv[i][0] != '-' && number-- == 0)
			return argv[i];
	}
	return NULL;
}

static int parse(int argc, char **argv, const struct command *command, struct arguments *args)
{
	int value;

	opterr = 0;
	while ((value = getopt_long(argc, argv, ":hq", LONG_OPTIONS, NULL)) != -1) {
		int r;

		if (value == '?')
			return usage_error("there is no option '%s'", argv[optind - 1]);
		if (value == ':')
			return usage_error("the option '%s' takes a value", argv[optind - 1]);
		if (value == LONG_VERSION) {
			puts("berth " BERTH_VERSION);
			exit(EXIT_DONE);
		}
		if (!allowed(command, value))
			return usage_error("'%s' does not take --%s", command ? command->name : "berth",
					   option_name(value));
		r = take_option(args, value);
		if (r)
			return r;
	}
	args->argc = argc - optind - 1; /* less the command */
	args->argv = argv + optind + 1;
	return 0;
}

static int check_operands(const struct command *command, const struct arguments *args)
{
	if (args->argc < command->min)
		return usage_error("'berth %s' needs more: %s", command->name, command->operands);
	if (args->argc > command->max)
		return usage_error("'berth %s' does not know what to do with '%s'", command->name,
				   args->argv[command->max]);
	if (args->step && !step_find(args->step))
		return usage_error("there is no step '%s'", args->step);
	return 0;
}

static int help(const char *subject)
{
	const struct command *command = subject ? command_find(subject) : NULL;

	if (subject && !command)
		return usage_error("there is no command '%s'", subject);
	if (command)
		print_command_help(command);
	else
		print_usage(stdout);
	return EXIT_DONE;
}

/*
 * Settings are carried by their folder: the agent reads them again, and in a pod a new version takes the
 * old one's place under the same name.
 */
static int carry_settings(const char **path, char buf[static 320], struct error *err)
{
	const char *slash = *path ? strrchr(*path, '/') : NULL;
	_cleanup_free_ char *dir = NULL;
	int fd;

	if (!*path)
		return 0;
	dir = slash ? xasprintf("%.*s/", (int)(slash - *path), *path) : strdup(".");
	fd = dir ? open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	if (fd < 0)
		return error_errno(err, errno, "open the folder of '%s'", *path);
	(void)snprintf(buf, 320, "/proc/self/fd/%d/%.255s", fd, slash ? slash + 1 : *path);
	*path = buf;
	return 0;
}

/* A file named on the command line is the caller's: opened here, it can be read from there. */
static int carry(const char **path, char buf[static 32], struct error *err)
{
	int fd;

	if (!*path)
		return 0;
	fd = open(*path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, errno, "open '%s'", *path);
	(void)snprintf(buf, 32, "/proc/self/fd/%d", fd);
	*path = buf;
	return 0;
}

/*
 * When its last process leaves, a mount namespace ends, and all in it is unmounted: what a pod has mounted into the
 * folder we carry (a ConfigMap's one file, say) would be gone from there. Held until this process ends.
 */
static int hold_mounts(struct error *err)
{
	int fd = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? error_errno(err, errno, "open our mount namespace") : 0;
}

static int enter_host(struct arguments *args)
{
	static char config[320], bundle[32], account[320];
	struct error err = ERROR_INIT;
	int r;

	if (!args->enter_host)
		return 0;
	r = carry_settings(&args->config, config, &err);
	if (r == 0)
		r = carry(&args->bundle, bundle, &err);
	if (r == 0 && args->node) {
		args->kube_folder = KUBE_FOLDER "/"; /* the pod's */
		r = carry_settings(&args->kube_folder, account, &err);
	}
	if (r == 0)
		r = hold_mounts(&err);
	if (r == 0)
		r = namespace_enter_host(&err);
	return r < 0 ? cli_fail(args, &err) : 0;
}

int main(int argc, char **argv)
{
	struct arguments args = { 0 };
	const struct command *command;
	const char *name;
	int r;

	setlocale(LC_ALL, "C.UTF-8");
	/* Large buffers go back to the kernel at once: by itself the allocator keeps more with each it frees. */
	(void)mallopt(M_MMAP_THRESHOLD, 128 * 1024);
	umask(022);
	if (argc && strcmp(basename(argv[0]), "nsenter") == 0)
		return nsenter_main(argc, argv);
	signal(SIGPIPE, SIG_IGN);
	name = operand(argc, argv, 0);
	if (name && strcmp(name, "help") == 0)
		return help(operand(argc, argv, 1));
	command = name ? command_find(name) : NULL;
	if (name && !command)
		return usage_error("there is no command '%s'", name);
	r = parse(argc, argv, command, &args);
	if (r)
		return r;
	if (args.help || !command) {
		if (command)
			print_command_help(command);
		else
			print_usage(args.help ? stdout : stderr);
		return args.help ? EXIT_DONE : EXIT_USAGE;
	}
	if (args.quiet)
		log_set_level(LOG_LEVEL_ERROR);
	r = check_operands(command, &args);
	if (r == 0)
		r = enter_host(&args);
	return r ? r : command->run(&args);
}
