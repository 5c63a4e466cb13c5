#!/bin/sh
# Usage: sudo examples/budget.sh [IMAGE]
#
# One disk budget over everything a sandbox writes: 300M by a label, filled in its layer and by a container of its
# own Docker, where it is stopped; then raised while it runs.
# IMAGE has dockerd, docker, sh and dd, such as docker:dind; default berth-example/docker (local-image.sh).
# Exit status: 0 it holds, 1 it does not, 77 an image cannot be had.

set -eu
# shellcheck source=examples/common.sh
. "$(dirname "$0")/common.sh"
begin "$default_image" "$@"
command -v berth >/dev/null || fail "there is no berth here"
M=1048576

number() { # FIELD: of the budget, in bytes
	berth quota get "$box" --json | sed -n "s/.*\"$1\": *\([0-9][0-9]*\).*/\1/p"
}

start_sandbox --label berth.dev/disk=300M
make_base
say "inside: df of the layer and of the inner Docker's data"
inside df -k / /var/lib/docker
for place in / /var/lib/docker; do
	inside df -k "$place" | grep -q " 307200 " || fail "df of $place does not show 300M"
done

say "write 120M to the layer, then with a container of the inner Docker until it is stopped"
inside dd if=/dev/zero of=/in-the-layer bs=1M count=120 conv=fsync 2>/dev/null
if said=$(inside docker run --name filler example/base dd if=/dev/zero of=/in-the-container bs=64k conv=fsync 2>&1); then
	fail "nothing stopped it"
fi
say "it says: $(printf '%s\n' "$said" | grep -i 'space' | head -n 1)"
printf '%s\n' "$said" | grep -q "No space left on device" || fail "something else stopped it: $said"
say "berth quota get"
berth quota get "$box"
used=$(number used_bytes)
limit=$(number limit_bytes)
[ "$limit" -eq $((300 * M)) ] || fail "the budget is $limit bytes"
if [ "$used" -gt "$limit" ] || [ "$used" -le $((limit - M)) ]; then
	fail "it was stopped at $used bytes, not at $limit"
fi
if inside dd if=/dev/zero of=/more bs=1M count=2 conv=fsync 2>/dev/null; then
	fail "the inner Docker's data is full, and the layer takes more"
fi

say "berth quota set $box 400M"
berth quota set "$box" 400M
inside dd if=/dev/zero of=/raised bs=1M count=50 conv=fsync 2>/dev/null || fail "raised, it still takes nothing"
berth quota get "$box"
[ "$(number limit_bytes)" -eq $((400 * M)) ] || fail "the budget was not raised"
proven "layer and inner Docker share one budget: stopped at $used of $((300 * M)) bytes, raised while it ran"
