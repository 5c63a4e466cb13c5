#!/bin/sh
# Usage: sudo examples/systemd.sh [IMAGE]
#
# A sandbox that is a small machine: its first process is systemd, which runs a service, restarts it when it
# is killed, and runs Docker where the image has it.
# IMAGE has /sbin/init of systemd; default berth-example/docker (local-image.sh).
# Exit status: 0 it holds, 1 it does not, 77 an image cannot be had or has no systemd.

set -eu
# shellcheck source=examples/common.sh
. "$(dirname "$0")/common.sh"
begin "$default_image" "$@"

say "start a sandbox from $image, unprivileged, with /sbin/init"
docker create --name "$box" --hostname "$example" --stop-signal SIGRTMIN+3 --entrypoint /sbin/init "$image" >/dev/null
docker cp "$box:/sbin/init" - >/dev/null 2>&1 || skip "$image has no /sbin/init"
docker start "$box" >/dev/null
unprivileged
first=$(inside cat /proc/1/comm)
[ "$first" = systemd ] || skip "the first process in $image is $first, not systemd"

is_up() {
	state=$(docker exec "$box" systemctl is-system-running 2>/dev/null) || true
	[ "$state" = running ] || [ "$state" = degraded ]
}
say "wait for systemd"
if ! try 300 is_up; then
	docker exec "$box" systemctl list-jobs >&2 || true
	fail "systemd does not come up: $(docker exec "$box" systemctl is-system-running || true)"
fi
state=$(inside systemctl is-system-running) || true
say "inside: systemctl is-system-running: $state"
[ "$state" = running ] || inside systemctl --no-pager --plain list-units --failed

say "inside: a service of our own"
inside sh -c 'cat >/etc/systemd/system/hello.service' <<'END'
[Service]
ExecStart=/bin/sh -c 'echo hello from systemd; exec sleep 1000000'
Restart=always
RestartSec=0

[Install]
WantedBy=multi-user.target
END
inside systemctl daemon-reload
inside systemctl enable --now hello.service
main_pid() {
	docker exec "$box" systemctl show --property MainPID --value hello.service
}
before=$(main_pid)
inside systemctl kill --signal KILL hello.service
comes_back() {
	now=$(main_pid) && [ "$now" -gt 0 ] && [ "$now" != "$before" ] &&
		docker exec "$box" systemctl is-active hello.service
}
try 60 comes_back || fail "the service was killed and systemd did not start it again"
say "killed as process $before, the service runs again as $(main_pid)"
inside systemctl --no-pager --lines 3 status hello.service
if inside systemctl is-enabled docker.service >/dev/null 2>&1; then
	try 300 docker exec "$box" docker version || fail "the sandbox's docker.service does not answer"
	say "inside: docker.service is $(inside systemctl is-active docker.service)"
fi
proven "systemd is the first process of an unprivileged sandbox, is $state, and keeps a service running"
