#!/bin/sh
# What the examples share: arguments, the sandbox and its end, the Docker inside. Sourced, not run.

example=$(basename "$0" .sh)
default_image=berth-example/docker
box=berth-example-$example-$$

say() {
	printf '%s: %s\n' "$example" "$*"
}

fail() {
	printf '%s: FAILED: %s\n' "$example" "$*" >&2
	exit 1
}

# 77: it was not tried, which is neither good nor bad.
skip() {
	printf '%s: not run: %s\n' "$example" "$*" >&2
	exit 77
}

# What is said last of all, once the sandbox is gone as well.
proven() {
	conclusion=$*
}
conclusion=''

# The comment at the head of the script.
show_help() {
	sed -n '2,/^$/ { /^#/!d; s/^# \{0,1\}//; p; }' "$0"
}

end() {
	status=$?
	trap - EXIT
	if docker container inspect "$box" >/dev/null 2>&1; then
		if [ "$status" -ne 0 ] && [ "$status" -ne 77 ]; then
			docker logs --tail 20 "$box" >&2 || true
		fi
		if docker rm --force --volumes "$box" >/dev/null; then
			say "the sandbox is removed"
		elif [ "$status" -eq 0 ]; then
			status=1
		fi
	fi
	[ "$status" -ne 0 ] || say "proven: $conclusion"
	exit "$status"
}

# begin DEFAULT-IMAGE [ARGUMENT...]: sets $image, which is there when this returns.
begin() {
	image=$1
	shift
	case ${1:-} in
	-h | --help)
		show_help
		exit 0
		;;
	-*)
		printf '%s: unknown option %s; --help tells what there is\n' "$example" "$1" >&2
		exit 64
		;;
	?*) image=$1 ;;
	esac
	[ "$(id -u)" -eq 0 ] || fail "this is for root: sudo $0"
	command -v docker >/dev/null || fail "there is no docker here; berth install makes this machine a host"
	runtime=$(docker info --format '{{.DefaultRuntime}}') || fail "dockerd does not answer"
	[ "$runtime" = sysbox-runc ] || fail "Docker's default runtime is $runtime, not sysbox-runc: see berth plan"
	if ! docker image inspect "$image" >/dev/null 2>&1; then
		say "pull $image"
		docker pull --quiet "$image" ||
			skip "the image $image is not here and cannot be pulled (examples/local-image.sh makes $default_image)"
	fi
	trap end EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
}

# try SECONDS COMMAND...: repeats it until it succeeds.
try() {
	deadline=$(($(date +%s) + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$(date +%s)" -lt "$deadline" ] || return 1
		sleep 2
	done
}

inside() {
	docker exec --interactive "$box" "$@"
}

answers_or_ended() {
	[ "$(docker inspect --format '{{.State.Running}}' "$box")" = false ] || docker exec "$box" docker version
}

# start_sandbox OPTION...: one whose first process is a dockerd's parent; returns when its Docker answers.
# --privileged is never among the options, nor is --runtime: Docker's default is Sysbox.
start_sandbox() {
	say "start a sandbox from $image, unprivileged, with a Docker of its own"
	# The shell stays to be the parent that ends and buries what dockerd leaves behind. Three tries: dockerd
	# gives its containerd 15 seconds to start, which a busy machine may need.
	docker run --detach --name "$box" --hostname "$example" "$@" --entrypoint sh "$image" -c '
		trap "kill \$!; wait \$!; exit 0" TERM INT
		for try in 1 2 3; do
			rm -f /run/docker.pid /run/docker/containerd/*.pid
			dockerd & wait $!
		done' >/dev/null
	unprivileged
	try 300 answers_or_ended
	docker exec "$box" docker version >/dev/null || fail "the Docker inside does not answer"
	say "inside: Docker $(inside docker version --format '{{.Server.Version}}')," \
		"storage driver $(inside docker info --format '{{.Driver}}')"
}

# Its root is nobody on this machine.
unprivileged() {
	[ "$(docker inspect --format '{{.HostConfig.Privileged}} {{.HostConfig.Runtime}}' "$box")" = "false sysbox-runc" ] ||
		fail "the sandbox is privileged, or not one of Sysbox's"
	root_is=$(awk '$1 == 0 { print $2 }' "/proc/$(docker inspect --format '{{.State.Pid}}' "$box")/uid_map") ||
		fail "the sandbox has ended"
	[ "${root_is:-0}" -gt 0 ] || fail "root of the sandbox is root of this machine"
	say "its root is the user $root_is of this machine"
}

# The image the inner builds start from, example/base: of a busybox that needs no library, or pulled.
make_base() {
	if inside sh -s <<'END'
set -eu
busybox=$(command -v busybox)
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir "$root/bin" "$root/tmp"
cp "$busybox" "$root/bin/busybox"
chroot "$root" /bin/busybox --install -s /bin
tar -C "$root" -cf - . | docker import --change 'CMD ["sh"]' - example/base
END
	then
		say "inside: example/base is made of the sandbox's busybox"
	else
		say "inside: no static busybox, so pull one"
		inside docker pull --quiet busybox || skip "the sandbox has no static busybox and no registry to pull one from"
		inside docker tag busybox example/base
	fi
}
