#include "engine/grpc.h"

#include <ctype.h>

#include "base/units.h"
#include "engine/http.h"

#define PREFIX	   5 /* whether it is compressed, and the length, big-endian */
#define ANSWER_CAP ((size_t)16 << 20)

/* https://github.com/grpc/grpc/blob/master/doc/statuscodes.md */
static int code_of(uint64_t status)
{
	static const int CODES[] = {
		[1] = ECANCELED, [2] = EIO,    [3] = EINVAL,	 [4] = ETIMEDOUT, [5] = ENOENT,	 [6] = EEXIST,
		[7] = EACCES,	 [8] = EBUSY,  [9] = EIO,	 [10] = EBUSY,	  [11] = EINVAL, [12] = EOPNOTSUPP,
		[13] = EIO,	 [14] = EBUSY, [15] = EBADMSG, [16] = EACCES,
	};

	return status < ARRAY_SIZE(CODES) && CODES[status] ? CODES[status] : EPROTO;
}

static int hex_digit(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

/* grpc-message is percent-encoded, and may have lines. */
static void plain_message(const char *text, char ret[static 512])
{
	size_t n = 0;

	for (; *text && n < 511; text++) {
		char c = *text;

		if (c == '%' && isxdigit((unsigned char)text[1]) && isxdigit((unsigned char)text[2])) {
			c = (char)(hex_digit(text[1]) << 4 | hex_digit(text[2]));
			text += 2;
		}
		ret[n++] = iscntrl((unsigned char)c) ? ' ' : c;
	}
	ret[n] = '\0';
}

static int check_status(const struct grpc_call *call, const struct http_response *response, struct error *err)
{
	const char *text = http_header(response, "grpc-status");
	const char *message = http_header(response, "grpc-message");
	char plain[512];
	uint64_t status;

	if (response->status != 200)
		return error_set(err, EPROTO, "'%s' answered %s with HTTP status %ld: it is no engine of "
				 "containers", call->socket, call->method, response->status);
	if (!text || u64_parse(text, &status) < 0)
		return error_set(err, EPROTO, "'%s' broke its answer to %s off", call->socket, call->method);
	if (status == 0)
		return 0;
	plain_message(message ? message : "no reason given", plain);
	return error_set(err, code_of(status), "%s at %s: %s", call->method, call->socket, plain);
}

static int unpack(const struct grpc_call *call, const struct http_response *response,
		  ProtobufCMessage **ret, struct error *err)
{
	const uint8_t *body = (const uint8_t *)strbuf_str(&response->body);
	size_t len = 0;

	if (response->body.len >= PREFIX && body[0] == 0)
		len = (size_t)body[1] << 24 | (size_t)body[2] << 16 | (size_t)body[3] << 8 | body[4];
	if (response->body.len < PREFIX || body[0] != 0 || len != response->body.len - PREFIX)
		return error_set(err, EPROTO, "'%s' answered %s with no message", call->socket, call->method);
	*ret = protobuf_c_message_unpack(call->answer, NULL, len, body + PREFIX);
	return *ret ? 0 : error_set(err, EPROTO, "'%s' answered %s with a message that is not understood",
				    call->socket, call->method);
}

static uint8_t *pack(const ProtobufCMessage *message, size_t *ret_len)
{
	size_t len = protobuf_c_message_get_packed_size(message);
	uint8_t *body = malloc(PREFIX + len);

	if (!body)
		return NULL;
	body[0] = 0;
	for (int i = 0; i < 4; i++)
		body[1 + i] = (uint8_t)(len >> (24 - 8 * i));
	(void)protobuf_c_message_pack(message, body + PREFIX);
	*ret_len = PREFIX + len;
	return body;
}

int grpc_ask(const struct grpc_call *call, ProtobufCMessage **ret, struct error *err)
{
	static const char *const HEADERS[] = { "te: trailers", NULL };
	_cleanup_(http_response_release) struct http_response response = HTTP_RESPONSE_INIT;
	size_t len = 0;
	_cleanup_free_ uint8_t *body = pack(call->request, &len);
	const struct http_request request = {
		.method = "POST",
		.url = call->method,
		.socket_path = call->socket,
		.http2 = true,
		.headers = HEADERS,
		.content_type = "application/grpc",
		.body = body,
		.body_len = len,
		.body_cap = ANSWER_CAP,
		.timeout_ms = call->timeout_ms ? call->timeout_ms : GRPC_TIMEOUT_DEFAULT,
	};
	int r = body ? http_request(&request, &response, err) : error_errno(err, ENOMEM, "ask %s", call->method);

	if (r == 0)
		r = check_status(call, &response, err);
	return r < 0 ? r : unpack(call, &response, ret, err);
}
