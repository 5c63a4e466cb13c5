#!/bin/sh
# Usage: sudo examples/ci-multi-stage.sh [IMAGE]
#
# A pipeline in a sandbox: a multi-stage Dockerfile compiles, tests and packs; a failing test stops it;
# the artifact is taken out of the sandbox. A push to a registry would be the next line; there is none here.
# IMAGE has dockerd, docker and sh, such as docker:dind; default berth-example/docker (local-image.sh).
# Exit status: 0 it holds, 1 it does not, 77 an image cannot be had.

set -eu
# shellcheck source=examples/common.sh
. "$(dirname "$0")/common.sh"
begin "$default_image" "$@"

start_sandbox --label berth.dev/disk=2G
make_base

inside sh -c 'mkdir /src && cat >/src/app.in' <<'END'
#!/bin/sh
echo "app @VERSION@"
END
inside sh -c 'cat >/src/Dockerfile' <<'END'
FROM example/base AS build
ARG VERSION
COPY app.in /src/
RUN mkdir /out && sed "s/@VERSION@/$VERSION/" /src/app.in >/out/app && chmod 755 /out/app

FROM build AS test
ARG EXPECTED
RUN test "$(/out/app)" = "app $EXPECTED"

FROM example/base
COPY --from=build /out/app /bin/app
CMD ["app"]
END

say "inside: the stages build and test, with a test that fails"
if inside docker build --quiet --target test --build-arg VERSION=1.$$ --build-arg EXPECTED=2 /src >/dev/null 2>&1; then
	fail "a failing test did not stop the pipeline"
fi
say "it stopped the pipeline; now with one that passes"
inside docker build --target test --build-arg VERSION=1.$$ --build-arg EXPECTED=1.$$ /src
say "inside: the last stage, which has the artifact and no source"
# All arguments again: a builder that is not BuildKit makes every stage on the way.
inside docker build --build-arg VERSION=1.$$ --build-arg EXPECTED=1.$$ --tag app:1 /src
[ "$(inside docker run --rm app:1)" = "app 1.$$" ] || fail "the packed image does not run"
inside docker run --rm app:1 test ! -e /src || fail "the source is in the packed image"

say "take the artifact out: of the inner image, then of the sandbox"
# shellcheck disable=SC2016 # it is for the shell inside
inside sh -c 'id=$(docker create app:1) && docker cp "$id:/bin/app" /artifact && docker rm "$id"' >/dev/null
artifact=$(docker cp "$box:/artifact" - | tar -xOf -)
printf '%s\n' "$artifact"
printf '%s\n' "$artifact" | grep -q "app 1.$$" || fail "the artifact is not what was built"
proven "a multi-stage build compiled, tested and packed in a sandbox, and its artifact is out"
