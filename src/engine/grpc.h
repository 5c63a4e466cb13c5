/*
 * A unary gRPC call over a Unix socket: one message there, one back, as HTTP/2 without TLS
 * (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md). Messages are protobuf-c's.
 */
#ifndef ENGINE_GRPC_H
#define ENGINE_GRPC_H

#include <protobuf-c/protobuf-c.h>

#include "base/error.h"

#define GRPC_TIMEOUT_DEFAULT 10000 /* ms */

struct grpc_call {
	const char *socket; /* as this process sees it */
	const char *method; /* "/runtime.v1.RuntimeService/Version" */
	const ProtobufCMessage *request;
	const ProtobufCMessageDescriptor *answer;
	uint64_t timeout_ms; /* 0: GRPC_TIMEOUT_DEFAULT */
};

/*
 * The answer is *ret's: protobuf_c_message_free_unpacked(). Errors are those of http_request() about the
 * exchange (-ENOENT, -ECONNREFUSED: nobody is there; -ETIMEDOUT), -EPROTO for an answer that is none, and
 * by the status the server gives: -EOPNOTSUPP (it has no such method), -ENOENT (no such object), -EBUSY
 * (unavailable, aborted), -ETIMEDOUT, -EINVAL, -EIO, with the server's own sentence.
 */
int grpc_ask(const struct grpc_call *call, ProtobufCMessage **ret, struct error *err);

#endif
