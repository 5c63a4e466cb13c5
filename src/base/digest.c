#include "base/digest.h"

#include <openssl/evp.h>

static void to_hex(const unsigned char *md, unsigned n, char *ret)
{
	static const char HEX[] = "0123456789abcdef";

	for (unsigned i = 0; i < n; i++) {
		*ret++ = HEX[md[i] >> 4];
		*ret++ = HEX[md[i] & 15];
	}
	*ret = '\0';
}

void digest_hex(const void *data, size_t len, char ret[static DIGEST_HEX_MAX])
{
	unsigned char md[32];
	unsigned n = sizeof(md);

	if (EVP_Digest(data, len, md, &n, EVP_sha256(), NULL) != 1)
		abort(); /* only without memory or without SHA-256: nothing is provable then */
	to_hex(md, n, ret);
}

static void ctx_freep(EVP_MD_CTX **ctx)
{
	EVP_MD_CTX_free(*ctx);
}

int digest_fd(int fd, char ret[static DIGEST_HEX_MAX], struct error *err)
{
	_cleanup_(ctx_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	_cleanup_free_ unsigned char *chunk = malloc(1 << 16);
	unsigned char md[32];
	unsigned n = sizeof(md);

	if (!ctx || !chunk || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1)
		return error_errno(err, ENOMEM, "compute a SHA-256");
	for (;;) {
		ssize_t got = read(fd, chunk, 1 << 16);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return error_errno(err, errno, "read for a SHA-256");
		if (got == 0)
			break;
		EVP_DigestUpdate(ctx, chunk, (size_t)got);
	}
	EVP_DigestFinal_ex(ctx, md, &n);
	to_hex(md, n, ret);
	return 0;
}

bool digest_valid(const char *hex)
{
	return strlen(hex) == 64 && strspn(hex, "0123456789abcdefABCDEF") == 64;
}
