#!/bin/sh
# Usage: sudo examples/local-image.sh [OPTION...] [NAME]
#
# Makes the image the other examples use, berth-example/docker, of Debian's or Ubuntu's packages, without a
# registry: docker.io, compose, systemd, busybox. Some 430 MB.
#
#   --suite SUITE   the release (default: this machine's)
#   --mirror URL    where its packages are (default: this machine's sources of apt)
#   --root FILE     write the root file system to FILE, a tar, and make no image: for a machine without packages
#   --from FILE     make the image of such a FILE
#
# Needs mmdebstrap (apt-get install mmdebstrap), but not with --from; Docker, but not with --root.
# Exit status: 0 it is made, 1 it is not, 77 what it needs is not here.

set -eu
# shellcheck source=examples/common.sh
. "$(dirname "$0")/common.sh"
suite='' mirror='' root='' from='' name=$default_image
while [ $# -gt 0 ]; do
	case $1 in
	-h | --help)
		show_help
		exit 0
		;;
	--suite | --mirror | --root | --from)
		[ $# -ge 2 ] || fail "$1 takes a value"
		case $1 in
		--suite) suite=$2 ;;
		--mirror) mirror=$2 ;;
		--root) root=$2 ;;
		--from) from=$2 ;;
		esac
		shift
		;;
	-*)
		printf '%s: unknown option %s; --help tells what there is\n' "$example" "$1" >&2
		exit 64
		;;
	*) name=$1 ;;
	esac
	shift
done
[ "$(id -u)" -eq 0 ] || fail "this is for root: sudo $0"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' HUP INT TERM

make_root() { # FILE
	command -v mmdebstrap >/dev/null || skip "there is no mmdebstrap: apt-get install mmdebstrap, or --from FILE"
	target=$1
	[ -n "$suite" ] || suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
	# Debian's client is a package of its own from trixie on, and Ubuntu's compose has another name.
	case $suite in
	bookworm) packages=docker-compose components=main ;;
	jammy | noble) packages=docker-compose-v2 components=main,universe ;;
	*) packages=docker-cli,docker-compose components=main ;;
	esac
	packages=docker.io,iptables,systemd-sysv,busybox-static,$packages
	set --
	if [ -n "$mirror" ]; then
		set -- "$mirror"
	else
		for list in /etc/apt/sources.list /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list.d/ubuntu.sources; do
			[ ! -s "$list" ] || set -- "$@" "$list"
		done
	fi
	say "packages of $suite: $packages"
	mmdebstrap --quiet --variant=minbase --mode=root --format=tar --components="$components" --include="$packages" \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' "$suite" "$target" "$@" || fail "mmdebstrap made no root file system"
}

if [ -n "$from" ]; then
	[ -r "$from" ] || fail "cannot read $from"
	file=$from
else
	file=${root:-$scratch/root.tar}
	make_root "$file"
fi
if [ -n "$root" ]; then
	say "made $root, $(($(stat -c %s "$root") >> 20)) MB"
	exit 0
fi
command -v docker >/dev/null || fail "there is no docker here; berth install makes this machine a host"
say "docker import $name"
docker import --change 'CMD ["/sbin/init"]' --change 'STOPSIGNAL SIGRTMIN+3' - "$name" <"$file" >/dev/null
say "made $name, $(docker image inspect --format '{{.Size}}' "$name") bytes"
