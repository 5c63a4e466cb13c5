/*
 * Runs a fuzz target over stored inputs: every file of the folders and files given. A folder that
 * is missing or empty is a failure: nothing replayed proves nothing.
 */
#include <dirent.h>
#include <fcntl.h>

#include "base/file.h"
#include "base/strbuf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned replayed;

static int replay_file(const char *path)
{
	_cleanup_free_ char *data = NULL;
	_cleanup_free_ uint8_t *exact = NULL;
	size_t len;
	int r = file_read_at(AT_FDCWD, path, FILE_CAP_DEFAULT, &data, &len);

	if (r < 0) {
		(void)fprintf(stderr, "read '%s': %s\n", path, strerror(-r));
		return 1;
	}
	/* In a block of just its size, so that a sanitizer sees a step past the end. */
	exact = malloc(len ? len : 1);
	if (!exact)
		return 1;
	memcpy(exact, data, len);
	(void)LLVMFuzzerTestOneInput(exact, len);
	replayed++;
	return 0;
}

static void dir_closep(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir);
}

static int replay(const char *path)
{
	_cleanup_(dir_closep) DIR *dir = opendir(path);
	unsigned before = replayed;

	if (!dir)
		return replay_file(path);
	for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
		_cleanup_free_ char *file = xasprintf("%s/%s", path, e->d_name);

		if (e->d_name[0] == '.')
			continue;
		if (!file || replay_file(file) != 0)
			return 1;
	}
	if (replayed == before) {
		(void)fprintf(stderr, "'%s' has no inputs\n", path);
		return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		(void)fprintf(stderr, "usage: %s FOLDER|FILE...\n", argv[0]);
		return 64;
	}
	for (int i = 1; i < argc; i++) {
		if (replay(argv[i]) != 0)
			return 1;
	}
	printf("%u inputs replayed\n", replayed);
	return 0;
}
