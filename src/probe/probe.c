/*
 * berth-probe: what a sandbox looks like from inside, as one JSON object on standard output.
 *
 * Static and alone in its image: no shell, no registry. berth compares what it says with what it sees
 * outside. It writes until its disk budget stops it, first into its own root file system and then where
 * its inner Docker would.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* Printable characters of a file's first bytes, blanks folded, as a JSON string. */
static void print_file(const char *key, const char *path)
{
	char buf[512];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);

	if (fd >= 0)
		close(fd);
	printf(",\n \"%s\": \"", key);
	for (ssize_t i = 0, blank = 1; i < n; i++) {
		char c = buf[i];

		if (c == ' ' || c == '\t' || c == '\n') {
			if (!blank)
				putchar(' ');
			blank = 1;
		} else if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') {
			putchar(c);
			blank = 0;
		}
	}
	putchar('"');
}

/* File system types of mounts whose target is `at` or below it, in mountinfo's words. */
static void print_mounts(const char *key, const char *at)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char line[4096];
	size_t n = strlen(at);
	int first = 1;

	printf(",\n \"%s\": [", key);
	while (f && fgets(line, sizeof(line), f)) {
		char *save = NULL;
		char *field = strtok_r(line, " ", &save);
		char *target = NULL, *type = NULL;

		for (int i = 0; field; i++, field = strtok_r(NULL, " \n", &save)) {
			if (i == 4)
				target = field;
			if (strcmp(field, "-") == 0)
				type = strtok_r(NULL, " \n", &save);
		}
		if (!target || !type || strncmp(target, at, n) != 0)
			continue;
		printf("%s\"%.100s %.60s\"", first ? "" : ", ", target, type);
		first = 0;
	}
	putchar(']');
	if (f)
		fclose(f);
}

#define FILL_MOST  (64L << 20) /* no budget stopped it: then we do */
#define FILL_FIRST (6L << 20)

/* Write up to `most` bytes; what stopped it before that, 0: nothing. */
static int fill(const char *path, long most, long *written)
{
	static const char block[65536];
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int stopped = fd < 0 ? errno : 0;

	for (long n = 0; !stopped && n < most;) {
		ssize_t done = write(fd, block, sizeof(block));

		if (done < 0)
			stopped = errno;
		else
			n += done, *written += done;
	}
	if (fd >= 0) {
		/* Space is given when the kernel writes, and only then is the answer final. */
		if (fsync(fd) < 0 && !stopped)
			stopped = errno;
		close(fd);
	}
	return stopped;
}

static void print_budget(void)
{
	long layer = 0, inner = 0;
	int stopped = fill("/berth-fill", FILL_FIRST, &layer);

	if (!stopped)
		stopped = fill("/var/lib/docker/berth-fill", FILL_MOST, &inner);
	printf(",\n \"filled_layer\": %ld, \"filled_inner\": %ld, \"stopped_by\": %d", layer, inner, stopped);
}

int main(void)
{
	printf("{\"berth-probe\": 1, \"uid\": %d, \"pid\": %d", (int)getuid(), (int)getpid());
	print_file("uid_map", "/proc/self/uid_map");
	print_file("gid_map", "/proc/self/gid_map");
	print_file("uptime", "/proc/uptime");
	print_mounts("proc_mounts", "/proc");
	print_mounts("sys_mounts", "/sys");
	print_mounts("data_mounts", "/var/lib");
	print_budget();
	puts("}");
	return 0;
}
