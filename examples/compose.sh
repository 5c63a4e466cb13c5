#!/bin/sh
# Usage: sudo examples/compose.sh [IMAGE]
#
# A development environment in a sandbox: two services by a compose file, which find each other by name, one
# with a published port.
# IMAGE has dockerd, docker, sh and 'docker compose' or docker-compose, such as docker:dind; default
# berth-example/docker (local-image.sh).
# Exit status: 0 it holds, 1 it does not, 77 an image cannot be had or has no compose.

set -eu
# shellcheck source=examples/common.sh
. "$(dirname "$0")/common.sh"
begin "$default_image" "$@"

start_sandbox --label berth.dev/disk=2G
if inside docker compose version >/dev/null 2>&1; then
	compose="docker compose"
elif inside docker-compose version >/dev/null 2>&1; then
	compose=docker-compose
else
	skip "$image has neither 'docker compose' nor docker-compose"
fi
# shellcheck disable=SC2086 # one word or two
say "inside: $(inside $compose version | head -n 1)"
make_base

inside sh -c 'mkdir /dev-env && cat >/dev-env/docker-compose.yml' <<'END'
version: '3'
services:
  web:
    image: example/base
    command: httpd -f -p 8080 -h /data
    ports:
      - "8080:8080"
    volumes:
      - data:/data
  worker:
    image: example/base
    command: sh -c 'echo "from the worker" >/data/index.html; exec sleep 1000000'
    depends_on:
      - web
    volumes:
      - data:/data
volumes:
  data:
END
in_project() {
	# shellcheck disable=SC2086
	docker exec "$box" $compose --file /dev-env/docker-compose.yml "$@"
}

say "inside: compose up"
in_project up -d
try 120 in_project exec -T worker wget -q -O /dev/null http://web:8080/index.html ||
	fail "the worker does not reach the service 'web' by its name"
in_project ps
said=$(in_project exec -T worker wget -q -O - http://web:8080/index.html)
say "the worker reads from web: $said"
[ "$said" = "from the worker" ] || fail "the services do not share what they should"
said=$(docker exec "$box" sh -c 'if command -v busybox >/dev/null; then busybox wget -q -O - "$0"; else wget -q -O - "$0"; fi' \
	http://127.0.0.1:8080/index.html)
say "the sandbox reads from the published port: $said"
[ "$said" = "from the worker" ] || fail "the published port does not answer"

say "inside: compose down"
in_project down -v
[ -z "$(inside docker ps --all --quiet)" ] || fail "services are left"
proven "two services ran by compose in a sandbox, found each other by name and answered on a published port"
