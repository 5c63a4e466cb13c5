/* Input: an ar archive. Members lie inside of it, one behind the other, and it ends. */
#include "engine/ar.h"

#include <sys/mman.h>

#include "base/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void walk(int fd, size_t size)
{
	struct ar_member member;
	uint64_t last = 0;
	struct ar ar;

	if (ar_open(fd, &ar) < 0)
		return;
	while (ar_next(&ar, &member) > 0) {
		must(member.name[0] && strlen(member.name) < AR_NAME_MAX);
		must(member.offset > last && member.offset <= size);
		must(member.size <= size - member.offset);
		last = member.offset + member.size;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_fd_ int fd = memfd_create("ar", MFD_CLOEXEC);
	struct ar_member found = { 0 };
	struct error err = ERROR_INIT;
	int r;

	must(fd >= 0 && file_write_all(fd, data, size) == 0);
	walk(fd, size);
	r = deb_find_data(fd, "input", &found, &err);
	must(r == 0 || r == -EBADMSG || r == -EPROTONOSUPPORT);
	must(r == 0 ? strncmp(found.name, "data.tar", 8) == 0 && found.offset + found.size <= size :
		      err.code == -r && *err.message);
	return 0;
}
