#include "engine/tar.h"

struct ustar {
	char name[100];
	char mode[8];
	char uid[8];
	char gid[8];
	char size[12];
	char mtime[12];
	char checksum[8];
	char type;
	char link[100];
	char magic[6];
	char version[2];
	char user[32];
	char group[32];
	char major[8];
	char minor[8];
	char prefix[155];
	char unused[12];
};

_Static_assert(sizeof(struct ustar) == TAR_BLOCK, "a ustar header is one block");

#define MAGIC	     "ustar"
#define VERSION	     "00"
#define SIZE_LARGEST (((uint64_t)1 << 33) - 1) /* eleven octal digits */

/* Zero-padded octal digits that fill the field but for its last byte, a NUL. */
static void put_octal(char *field, size_t size, uint64_t value)
{
	field[--size] = '\0';
	while (size) {
		field[--size] = (char)('0' + (value & 7));
		value >>= 3;
	}
}

static int get_octal(const char *field, size_t size, uint64_t *ret)
{
	uint64_t value = 0;
	size_t i = 0;

	while (i < size && field[i] == ' ')
		i++;
	for (; i < size && field[i] >= '0' && field[i] <= '7'; i++)
		value = value << 3 | (uint64_t)(field[i] - '0');
	if (i < size && field[i] != '\0' && field[i] != ' ')
		return -EBADMSG;
	*ret = value;
	return 0;
}

static uint64_t checksum_of(const struct ustar *h)
{
	struct ustar copy = *h;
	const unsigned char *bytes = (const unsigned char *)&copy;
	uint64_t sum = 0;

	memset(copy.checksum, ' ', sizeof(copy.checksum));
	for (size_t i = 0; i < sizeof(copy); i++)
		sum += bytes[i];
	return sum;
}

/* The name in the two fields, parted at a slash where it is longer than the one. */
static int put_name(struct ustar *h, const char *name, size_t len)
{
	const char *slash;

	if (len <= sizeof(h->name)) {
		memcpy(h->name, name, len);
		return 0;
	}
	slash = strchr(name + len - sizeof(h->name) - 1, '/');
	if (!slash || slash == name || !slash[1] || (size_t)(slash - name) > sizeof(h->prefix))
		return -ENAMETOOLONG;
	memcpy(h->prefix, name, (size_t)(slash - name));
	memcpy(h->name, slash + 1, len - (size_t)(slash - name) - 1);
	return 0;
}

int tar_header(const char *name, enum tar_type type, mode_t mode, uint64_t size,
	       unsigned char ret_block[static TAR_BLOCK])
{
	struct ustar h = { .type = (char)type };
	int r;

	if (!name[0] || name[0] == '/')
		return -EINVAL;
	if (size > SIZE_LARGEST)
		return -EFBIG;
	r = put_name(&h, name, strlen(name));
	if (r < 0)
		return r;
	put_octal(h.mode, sizeof(h.mode), mode & 07777);
	put_octal(h.uid, sizeof(h.uid), 0);
	put_octal(h.gid, sizeof(h.gid), 0);
	put_octal(h.size, sizeof(h.size), size);
	put_octal(h.mtime, sizeof(h.mtime), 0);
	memcpy(h.magic, MAGIC, sizeof(h.magic));
	memcpy(h.version, VERSION, sizeof(h.version));
	memcpy(h.user, "root", 4);
	memcpy(h.group, "root", 4);
	put_octal(h.major, sizeof(h.major), 0);
	put_octal(h.minor, sizeof(h.minor), 0);
	put_octal(h.checksum, sizeof(h.checksum) - 1, checksum_of(&h));
	h.checksum[7] = ' ';
	memcpy(ret_block, &h, sizeof(h));
	return 0;
}

int tar_parse_header(const unsigned char block[static TAR_BLOCK], struct tar_entry *ret)
{
	struct tar_entry entry = { 0 };
	uint64_t sum, mode;
	struct ustar h;

	memcpy(&h, block, sizeof(h));
	if (memcmp(h.magic, MAGIC, sizeof(h.magic)) != 0 ||
	    get_octal(h.checksum, sizeof(h.checksum), &sum) < 0 || sum != checksum_of(&h) ||
	    get_octal(h.mode, sizeof(h.mode), &mode) < 0 ||
	    get_octal(h.size, sizeof(h.size), &entry.size) < 0)
		return -EBADMSG;
	if (h.type != TAR_FILE && h.type != TAR_DIR)
		return -EBADMSG;
	(void)snprintf(entry.name, sizeof(entry.name), "%.*s%s%.*s", (int)sizeof(h.prefix),
		       h.prefix, h.prefix[0] ? "/" : "", (int)sizeof(h.name), h.name);
	entry.type = (enum tar_type)h.type;
	entry.mode = (mode_t)mode & 07777;
	*ret = entry;
	return 0;
}

static void add_zeros(struct strbuf *tar, size_t len)
{
	static const char ZEROS[TAR_END];

	strbuf_add(tar, ZEROS, len);
}

int tar_add_file(struct strbuf *tar, const char *name, const void *data, size_t len, mode_t mode)
{
	unsigned char header[TAR_BLOCK];
	int r = tar_header(name, TAR_FILE, mode, len, header);

	if (r < 0)
		return r;
	strbuf_add(tar, header, sizeof(header));
	strbuf_add(tar, data, len);
	add_zeros(tar, tar_padding(len));
	return strbuf_failed(tar) ? -ENOMEM : 0;
}

int tar_add_dir(struct strbuf *tar, const char *name, mode_t mode)
{
	_cleanup_free_ char *slashed = xasprintf("%s/", name);
	unsigned char header[TAR_BLOCK];
	int r = slashed ? tar_header(slashed, TAR_DIR, mode, 0, header) : -ENOMEM;

	if (r < 0)
		return r;
	strbuf_add(tar, header, sizeof(header));
	return strbuf_failed(tar) ? -ENOMEM : 0;
}

int tar_add_end(struct strbuf *tar)
{
	add_zeros(tar, TAR_END);
	return strbuf_failed(tar) ? -ENOMEM : 0;
}
