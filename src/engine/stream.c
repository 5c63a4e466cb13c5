#include "engine/stream.h"

#include <openssl/evp.h>

#include "base/file.h"

#define CHUNK ((size_t)64 << 10)

static void ctx_freep(EVP_MD_CTX **ctx)
{
	EVP_MD_CTX_free(*ctx);
}

static void hex_of(EVP_MD_CTX *ctx, char ret[static DIGEST_HEX_MAX])
{
	static const char HEX[] = "0123456789abcdef";
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	if (EVP_DigestFinal_ex(ctx, md, &n) != 1 || n != (DIGEST_HEX_MAX - 1) / 2)
		abort(); /* as in base/digest.c: nothing is provable without SHA-256 */
	for (unsigned i = 0; i < n; i++) {
		ret[2 * (size_t)i] = HEX[md[i] >> 4];
		ret[2 * (size_t)i + 1] = HEX[md[i] & 15];
	}
	ret[2 * (size_t)n] = '\0';
}

/* The next piece, at least one byte. */
static ssize_t read_some(const struct stream *stream, void *buf, size_t len, struct error *err)
{
	ssize_t n;

	do {
		n = read(stream->in, buf, len);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return error_errno(err, errno, "read '%s'", stream->in_name);
	if (n == 0)
		return error_set(err, ENODATA, "'%s' ends too early", stream->in_name);
	return n;
}

int stream_copy(struct stream *stream, uint64_t len, char ret_hex[static DIGEST_HEX_MAX],
		struct error *err)
{
	_cleanup_(ctx_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	_cleanup_free_ unsigned char *chunk = malloc(CHUNK);

	if (!ctx || !chunk || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1)
		return error_errno(err, ENOMEM, "read '%s'", stream->in_name);
	while (len) {
		ssize_t n = read_some(stream, chunk, (size_t)MIN_OF(len, (uint64_t)CHUNK), err);
		int r = 0;

		if (n < 0)
			return (int)n;
		if (EVP_DigestUpdate(ctx, chunk, (size_t)n) != 1)
			return error_errno(err, ENOMEM, "read '%s'", stream->in_name);
		if (stream->out >= 0)
			r = file_write_all(stream->out, chunk, (size_t)n);
		if (r < 0)
			return error_errno(err, r, "write '%s'", stream->out_name);
		len -= (uint64_t)n;
		stream->done += (uint64_t)n;
		progress_bytes(stream->progress, stream->done, stream->total);
	}
	hex_of(ctx, ret_hex);
	return 0;
}
