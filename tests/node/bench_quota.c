/*
 * For the benchmark: what a budget and a look at every project cost, in this process, in microseconds.
 *
 *     bench-quota set POOL DIR COUNT     tag DIR (empty) and set its limits, COUNT times with another project
 *     bench-quota walk POOL              the use of every project
 *     bench-quota peak PROGRAM ARG...    peak resident memory of a program that ends without another exec
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "base/units.h"
#include "quota/budget.h"
#include "sys/quota.h"

static double now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int set(int pool, const char *path, uint64_t count)
{
	struct error err = ERROR_INIT;
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	double start = now_us();
	int r = dir < 0 ? -1 : 0;

	for (uint64_t i = 0; r == 0 && i < count; i++) {
		uint32_t project = (uint32_t)(7000000 + i);

		r = quota_set_project(dir, project, true, &err);
		if (r == 0)
			r = budget_apply(pool, project, budget_make((uint64_t)300 << 20, 8192), &err);
	}
	printf("%.3f\n", (now_us() - start) / (double)count);
	if (r < 0)
		fprintf(stderr, "%s\n", err.message);
	return r < 0;
}

static int walk(int pool)
{
	double start = now_us();
	struct quota_usage usage = { 0 };
	unsigned n = 0;

	for (uint32_t id = 1; quota_next(pool, id, &usage, NULL) == 0; id = usage.project + 1)
		n++;
	printf("%.3f %u\n", now_us() - start, n);
	return 0;
}

static int peak(char **argv)
{
	struct rusage usage;
	int status;
	pid_t pid = vfork();

	if (pid == 0) {
		execv(argv[0], argv);
		_exit(127);
	}
	if (pid < 0 || wait4(pid, &status, 0, &usage) != pid)
		return 1;
	printf("%ld\n", usage.ru_maxrss);
	return 0;
}

int main(int argc, char **argv)
{
	uint64_t count = 1;
	int pool;

	if (argc > 2 && strcmp(argv[1], "peak") == 0)
		return peak(argv + 2);
	pool = argc > 2 ? open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	if (pool < 0)
		return 2;
	if (argc == 5 && strcmp(argv[1], "set") == 0 && u64_parse(argv[4], &count) == 0)
		return set(pool, argv[3], count);
	return strcmp(argv[1], "walk") == 0 ? walk(pool) : 2;
}
