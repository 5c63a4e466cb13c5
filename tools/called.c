/*
 * called PROGRAM SYMBOLS OUT ARGUMENT... - run the static-pie PROGRAM and append to OUT, in the order of their first
 * call, the names of its functions. SYMBOLS has a line "ADDRESS t NAME" for each, and for nothing else: among the code of
 * assembler are tables. For tools/link-order.
 *
 * Each function gets a breakpoint that is taken out when it is hit, also in children until they execute something else.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define TRAP 0xCC
#define OPTIONS                                                                                              \
	(PTRACE_O_EXITKILL | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC)

struct function {
	uint64_t address;
	char *name;
	unsigned char was;
	bool called;
};

static struct function *functions;
static size_t n_functions;
static uint64_t base;
static FILE *out;

static void die(const char *what)
{
	fprintf(stderr, "called: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int by_address(const void *a, const void *b)
{
	const struct function *x = a, *y = b;

	return x->address < y->address ? -1 : x->address > y->address;
}

static void read_symbols(const char *path)
{
	FILE *file = fopen(path, "re");
	unsigned long long address;
	char type, *name, *line = NULL;
	size_t size = 0;

	if (!file)
		die(path);
	while (getline(&line, &size, file) >= 0) {
		if (sscanf(line, "%llx %c %ms", &address, &type, &name) != 3 || !strchr("tTwW", type))
			continue; /* no function, or not of this program */
		functions = reallocarray(functions, n_functions + 1, sizeof(*functions));
		if (!functions)
			die(path);
		functions[n_functions++] = (struct function){ .address = address, .name = name };
	}
	free(line);
	fclose(file);
	qsort(functions, n_functions, sizeof(*functions), by_address);
}

static struct function *find(uint64_t address)
{
	struct function key = { .address = address - base };

	return bsearch(&key, functions, n_functions, sizeof(key), by_address);
}

static int open_memory(pid_t pid)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		die(path);
	return fd;
}

static void put(int memory, uint64_t address, unsigned char byte)
{
	if (pwrite(memory, &byte, 1, (off_t)address) != 1)
		die("write its memory");
}

/* A static-pie's own mapping is the first. */
static void set_all(pid_t pid)
{
	int memory = open_memory(pid);
	char path[64];
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "re");
	if (!maps || fscanf(maps, "%lx", &base) != 1)
		die(path);
	fclose(maps);
	for (size_t i = 0; i < n_functions; i++) {
		if (pread(memory, &functions[i].was, 1, (off_t)(base + functions[i].address)) != 1)
			die("read its memory");
	}
	for (size_t i = 0; i < n_functions; i++)
		put(memory, base + functions[i].address, TRAP);
	close(memory);
}

/* Two names of one address are two entries with the same byte; either will do. */
static bool hit(pid_t pid)
{
	struct user_regs_struct registers;
	struct function *f;
	int memory;

	if (ptrace(PTRACE_GETREGS, pid, 0, &registers) < 0)
		return false;
	f = find(registers.rip - 1);
	if (!f)
		return false;
	memory = open_memory(pid);
	put(memory, registers.rip - 1, f->was);
	close(memory);
	registers.rip--;
	(void)ptrace(PTRACE_SETREGS, pid, 0, &registers);
	if (!f->called)
		fprintf(out, "%s\n", f->name);
	f->called = true;
	return true;
}

static int follow(pid_t first)
{
	int status, result = 1;
	pid_t pid;

	while ((pid = waitpid(-1, &status, __WALL)) > 0) {
		int signal = 0, event = status >> 16;

		if (!WIFSTOPPED(status)) {
			if (pid == first)
				result = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
			continue;
		}
		if (event == PTRACE_EVENT_EXEC) { /* another program: no breakpoints in it */
			(void)ptrace(PTRACE_DETACH, pid, 0, 0);
			continue;
		}
		if (!event && WSTOPSIG(status) != SIGSTOP && !(WSTOPSIG(status) == SIGTRAP && hit(pid)))
			signal = WSTOPSIG(status);
		(void)ptrace(PTRACE_CONT, pid, 0, signal);
	}
	return result;
}

int main(int argc, char **argv)
{
	int status;
	pid_t pid;

	if (argc < 4) {
		fprintf(stderr, "usage: called PROGRAM SYMBOLS OUT [ARGUMENT...]\n");
		return 64;
	}
	read_symbols(argv[2]);
	out = fopen(argv[3], "ae");
	pid = out ? fork() : -1;
	if (pid < 0)
		die(argv[3]);
	if (pid == 0) {
		argv[3] = argv[1];
		(void)ptrace(PTRACE_TRACEME, 0, 0, 0);
		execv(argv[1], argv + 3);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status) || ptrace(PTRACE_SETOPTIONS, pid, 0, OPTIONS) < 0)
		die(argv[1]);
	set_all(pid);
	(void)ptrace(PTRACE_CONT, pid, 0, 0);
	return follow(pid);
}
