/* An engine that gives scripted answers over the Container Runtime Interface, each to one call, the last for ever. */
#ifndef TESTS_CRI_FIXTURE_H
#define TESTS_CRI_FIXTURE_H

#include "cri.pb-c.h"
#include "fake_server.h"

enum { DATA = 0, HEADERS = 1, SETTINGS = 4 };

static void cri_frame(struct strbuf *out, int type, int flags, uint32_t stream, const void *data, size_t len)
{
	const unsigned char head[9] = { (unsigned char)(len >> 16), (unsigned char)(len >> 8), (unsigned char)len,
					(unsigned char)type, (unsigned char)flags, 0, 0, 0, (unsigned char)stream };

	strbuf_add(out, head, sizeof(head));
	strbuf_add(out, data, len);
}

/* HPACK: a literal that enters no table, name and value as they are. */
static void cri_field(struct strbuf *out, const char *name, const char *value)
{
	strbuf_putc(out, 0);
	strbuf_putc(out, (char)strlen(name));
	strbuf_puts(out, name);
	strbuf_putc(out, (char)strlen(value));
	strbuf_puts(out, value);
}

struct cri_reply {
	const ProtobufCMessage *message; /* NULL: none */
	const char *status;		 /* grpc-status; NULL: broken off before */
	const char *text;		 /* grpc-message, or NULL */
	const char *http;		 /* ":status" */
};

static void cri_build(const struct cri_reply *reply, struct strbuf *out)
{
	_cleanup_(strbuf_release) struct strbuf head = STRBUF_INIT, body = STRBUF_INIT, tail = STRBUF_INIT;
	size_t len = reply->message ? protobuf_c_message_get_packed_size(reply->message) : 0;
	unsigned char packed[2048] = { 0, 0, 0, (unsigned char)(len >> 8), (unsigned char)len };

	cri_frame(out, SETTINGS, 0, 0, "", 0);
	cri_frame(out, SETTINGS, 1, 0, "", 0);
	cri_field(&head, ":status", reply->http ? reply->http : "200");
	cri_field(&head, "content-type", "application/grpc");
	cri_frame(out, HEADERS, 4, 1, head.data, head.len);
	if (reply->message) {
		assert_true(len + 5 <= sizeof(packed));
		(void)protobuf_c_message_pack(reply->message, packed + 5);
		strbuf_add(&body, packed, len + 5);
		cri_frame(out, DATA, 0, 1, body.data, body.len);
	}
	if (!reply->status) {
		cri_frame(out, DATA, 1, 1, "", 0);
		return;
	}
	cri_field(&tail, "grpc-status", reply->status);
	if (reply->text)
		cri_field(&tail, "grpc-message", reply->text);
	cri_frame(out, HEADERS, 5, 1, tail.data, tail.len);
}

static struct strbuf cri_built[16];
static struct fake_answer cri_answers[16];

static void cri_start(struct fake_server *server, const char *socket, const struct cri_reply *replies, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		strbuf_reset(&cri_built[i]);
		cri_build(&replies[i], &cri_built[i]);
		/* Once the request is there: a stream cannot be answered before it was opened. */
		cri_answers[i] = (struct fake_answer){ .text = cri_built[i].data, .len = cri_built[i].len, .delay_ms = 100,
						   .hang = true };
	}
	fake_start(server, socket, cri_answers, n);
}

static void cri_forget(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(cri_built); i++)
		strbuf_release(&cri_built[i]);
}

#endif
