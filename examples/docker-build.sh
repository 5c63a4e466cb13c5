#!/bin/sh
# Usage: sudo examples/docker-build.sh [IMAGE]
#
# A sandbox with a Docker of its own builds an image and runs it, without --privileged.
# IMAGE has dockerd, docker and sh, such as docker:dind; default berth-example/docker (local-image.sh).
# Exit status: 0 it holds, 1 it does not, 77 an image cannot be had.

set -eu
# shellcheck source=examples/common.sh
. "$(dirname "$0")/common.sh"
begin "$default_image" "$@"

start_sandbox --label berth.dev/disk=2G
make_base

say "inside: docker build"
word=built-$$
inside sh -c 'mkdir /app && cat >/app/Dockerfile' <<'END'
FROM example/base
ARG WORD
RUN echo "$WORD, step run by uid $(id -u)" >/message
CMD ["cat", "/message"]
END
inside docker build --build-arg "WORD=$word" --tag app /app

say "inside: docker run"
said=$(inside docker run --rm app)
say "it says: $said"
[ "$said" = "$word, step run by uid 0" ] || fail "the image does not say what was built into it"

outside=$(docker images --quiet app)
[ -z "$outside" ] || fail "the image is in this machine's Docker, too"
proven "an unprivileged sandbox built an image and ran it; this machine's Docker knows nothing of it"
