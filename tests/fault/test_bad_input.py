"""Bad input: one clear line, the documented exit status, nothing changed.

Each test says what is wrong with the machine, and what the line must name. "Nothing changed" is the
whole tree, but for berth's own download cache where the check can only be made with the package at hand.
"""

import fcntl
import os
import re
import subprocess
import sys
import time

import pytest

import distribution
import roots
import trees
from machine import POOL_CONFIG, SYSBOX_DEB, Machine, sysbox_config

CONFIG = "/etc/berth/config.yaml"
DAEMON_JSON = "/etc/docker/daemon.json"
CACHE = (r"/var/lib/berth(/cache(/.*)?)?",)
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="takes root to set up")


@pytest.fixture
def bare(machine):
    machine.build("debian-12")
    machine.prepare()
    return machine


def refuses(machine, *words, code=1, says=(), spare=(), **options):
    """The line, when all is as it should be."""
    before = machine.snapshot(spare)
    result = machine.berth(*words, **options)
    assert result.code == code, result
    lines = result.err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("berth: "), result
    assert len(lines[0]) < 600, lines[0]
    for part in [says] if isinstance(says, str) else says:
        assert part in result.err + result.out, result
    assert machine.snapshot(spare) == before
    return lines[0]


# ---- settings ----

@pytest.mark.parametrize(("text", "says"), [
    ("pool:\n  sise: 1G\n", f"{CONFIG}:2: unknown key 'pool.sise' (did you mean 'pool.size'?)"),
    ("pools:\n  size: 1G\n", f"{CONFIG}:1: unknown key 'pools'"),
    ("pool:\n  size: 1G\n  size: 2G\n", f"{CONFIG}:3:"),
    ("pool:\n  size: 1G\ndocker:\n  live_restore: true\npool:\n  size: 2G\n", f"{CONFIG}:5:"),
    ("pool:\n  size: 50GB\n", f"{CONFIG}:2: pool.size: '50GB' is not valid: write a size as 50G"),
    ("pool:\n  size: fifty\n", f"{CONFIG}:2: pool.size: 'fifty'"),
    ("pool:\n  size: 10M\n", "it must be from 1G"),
    ("pool:\n  size: -1G\n", f"{CONFIG}:2: pool.size"),
    ("pool:\n  size: [1G]\n", f"{CONFIG}:2: pool.size takes one value"),
    ("timeouts:\n  packages: 10\n", "write a duration as 30s or 10m"),
    ("docker:\n  live_restore: maybe\n", "write true or false"),
    ("docker:\n  bridge_ip: 172.24.0.1\n", "an IPv4 address and a prefix length"),
    ("pool:\n  image: docker.img\n", "an absolute path"),
    ("pool:\n  image: /var/../etc/x.img\n", "an absolute path"),
    ("sysbox:\n  other_version: newest\n", "write one of keep, upgrade, exact"),
    ("sysbox:\n  url: http://example.com/s.deb\n", "sysbox.url needs sysbox.sha256"),
    ("sysbox:\n  sha256: abc\n", "a SHA-256 is 64 hexadecimal digits"),
    ("sysbox:\n  version: 9.9.9\n", "no SHA-256 for Sysbox 9.9.9"),
    ("- pool\n", f"{CONFIG}:1:"),
    ("pool: {size: 1G\n", CONFIG),
    ("pool:\n\tsize: 1G\n", f"{CONFIG}:2"),
])
def test_settings(bare, text, says):
    bare.write(CONFIG, text)
    for command in ("install", "plan"):
        refuses(bare, command, says=says)


def test_settings_file_that_is_named_and_absent(bare):
    refuses(bare, "install", "--config", "/nowhere/berth.yaml", says="'/nowhere/berth.yaml'")


def test_environment_variable(bare):
    refuses(bare, "install", env={"XFS_STORAGE_SIZE": "50 gigs"}, says=("XFS_STORAGE_SIZE", "pool.size", "50 gigs"))


# ---- the pool ----

def test_pool_larger_than_the_disk(bare):
    bare.prepare("pool:\n  size: 200G\n")
    refuses(bare, "install", says=("a pool of 200G is larger than the disk", "100G"))


def test_pool_with_no_room(bare):
    bare.prepare("pool:\n  size: 90G\n  allocate: full\n")
    refuses(bare, "install", says=("no room for", "90G", "80G are free"))


def test_pool_on_tmpfs(bare):
    bare.prepare("pool:\n  size: 1G\n  image: /mnt/memory/pool.img\n")
    bare.path("/mnt/memory").mkdir(parents=True)
    bare.write("/recorded", bare.read("/recorded") + f"filesystem:/mnt/memory=tmpfs {8 << 30} {8 << 30}\n")
    refuses(bare, "install", says=("would lie on tmpfs", "gone after a reboot"))


def test_pool_in_a_folder_that_is_not_there(bare):
    bare.prepare("pool:\n  size: 1G\n  image: /srv/none/pool.img\n")
    refuses(bare, "install", says="'/srv/none/pool.img'")


def test_var_lib_in_memory(bare):
    bare.write("/recorded", bare.read("/recorded") + "var-lib-fs=tmpfs\n")
    refuses(bare, "install", says="disk.var-lib")


@pytest.mark.parametrize(("content", "says"), [
    (b"precious data, no file system" * 50000, "no file system is recognised in it"),
    (b"\0" * (4 << 20), "never makes a pool anew"),
])
def test_something_else_in_the_image(bare, content, says):
    roots.put(bare.root, "/var/lib/docker-xfs.img", content)
    refuses(bare, "install", says=says)


def test_another_file_system_in_the_image(bare):
    image = bare.path("/var/lib/docker-xfs.img")
    with open(image, "wb") as file:
        file.truncate(32 << 20)
    subprocess.run(["/sbin/mke2fs", "-q", "-F", image], check=True, stdin=subprocess.DEVNULL)
    refuses(bare, "install", says="holds ext4, not XFS" if b"ext4" in image.read_bytes() else "not XFS")


@pytest.mark.parametrize(("device", "says"), [("/dev/none", "there is no device '/dev/none'"),
                                              ("/etc/passwd", "'/etc/passwd' is not a block device")])
def test_device(bare, device, says):
    bare.prepare(f"pool:\n  device: {device}\n")
    refuses(bare, "install", says=says)


@pytest.mark.parametrize("command", ["install", "plan"])
def test_first_megabyte_of_the_pool_zeroed(bare, command):
    """Never made anew, never run on the root disk instead."""
    assert bare.berth("install").code == 0
    with open(bare.path("/var/lib/docker-xfs.img"), "r+b") as image:
        image.write(b"\0" * (1 << 20))
    bare.boot()
    bare.forget_log()
    refuses(bare, command, says=("no file system is recognised in it", "xfs_repair"))
    assert not [line for line in bare.log() if "started on" in line], bare.log()


# ---- daemon.json ----

@pytest.mark.parametrize(("text", "says"), [
    ('{"debug": true,}', "is not valid JSON: line 1, column"),
    ('{"debug": true', "is not valid JSON"),
    ('{"a": 1, "a": 2}', "is not valid JSON"),
    ('audit\n', "is not valid JSON"),
    ('["debug"]', "is not a JSON object"),
    ('17', "is not a JSON object"),
    ('{"storage-driver": "btrfs"}', 'has storage-driver = "btrfs"'),
    ('{"data-root": "/srv/docker"}', 'has data-root = "/srv/docker"'),
    ('{"features": {"containerd-snapshotter": true}}', "containerd"),
])
def test_daemon_json(bare, text, says):
    bare.write(DAEMON_JSON, text)
    for command in ("install", "plan"):
        assert "daemon.json" in refuses(bare, command, says=says)
    assert bare.read(DAEMON_JSON) == text


def test_daemon_json_as_a_symlink(bare):
    bare.write("/etc/docker/real.json", "{}")
    bare.path(DAEMON_JSON).symlink_to("real.json")
    refuses(bare, "install", says="is a symbolic link")


def test_daemon_json_as_a_directory(bare):
    bare.path(DAEMON_JSON).mkdir(parents=True)
    refuses(bare, "install", says=("'/etc/docker/daemon.json'", "Is a directory"))


def test_mode_of_daemon_json_stays(bare):
    bare.write(DAEMON_JSON, "{}", 0o440)
    assert bare.berth("install").code == 0
    assert bare.path(DAEMON_JSON).stat().st_mode & 0o777 == 0o440
    assert bare.berth("uninstall").code == 0
    assert bare.read(DAEMON_JSON) == "{}" and bare.path(DAEMON_JSON).stat().st_mode & 0o777 == 0o440


@AS_ROOT
def test_read_only_folder_of_daemon_json(bare):
    """Refused before anything is changed, and taken when it is writable again."""
    bare.write(DAEMON_JSON, "{}")
    folder = bare.path("/etc/docker")
    mount = f"mount --bind '{folder}' '{folder}' && mount -o remount,ro,bind '{folder}' && exec \"$@\""
    refuses(bare, "install", says=(DAEMON_JSON, "read-only file system"), spare=CACHE,
            through=("unshare", "-m", "sh", "-c", mount, "sh"))
    assert bare.berth("install").code == 0


# ---- packages ----

def test_wrong_sha256(bare):
    bare.write(CONFIG, POOL_CONFIG + sysbox_config(b"another file"))
    refuses(bare, "install", says="SHA-256", spare=CACHE)


def test_wrong_sha256_of_a_file(bare):
    bare.write(CONFIG, f"{POOL_CONFIG}sysbox:\n  file: {SYSBOX_DEB}\n  sha256: {'0' * 64}\n")
    refuses(bare, "install", says=("has the SHA-256", "0" * 64, "nothing was changed"))


@pytest.mark.parametrize("from_url", [True, False])
def test_truncated_package(bare, from_url):
    package = distribution.sysbox_package()
    half = package[:len(package) // 2]
    bare.prepare(sysbox=half)
    if not from_url:
        bare.write(CONFIG, f"{POOL_CONFIG}sysbox:\n  file: {SYSBOX_DEB}\n")
    refuses(bare, "install", says="is not a whole Debian package (truncated?)", spare=CACHE)


def test_package_that_is_not_there(bare):
    bare.write(CONFIG, f"{POOL_CONFIG}sysbox:\n  file: /srv/none.deb\n")
    refuses(bare, "install", says="'/srv/none.deb'")


@pytest.mark.parametrize("name", ["sysbox-ce_0.7.1.deb", "sysbox-ce_0.7.1.deb.part"])
def test_half_a_package_of_an_earlier_try(bare, name):
    """Not trusted, replaced."""
    roots.put(bare.root, f"/var/lib/berth/cache/{name}", distribution.sysbox_package()[:700])
    assert bare.berth("install").code == 0
    assert "Nothing to do" in bare.berth("install").out


UNREACHABLE = ("E: Failed to fetch http://deb.debian.org/debian/dists/bookworm/InRelease  "
               "Could not connect to deb.debian.org:80 (151.101.2.132), connection timed out\n"
               "E: Some index files failed to download. They have been ignored, or old ones used instead.")


@pytest.mark.parametrize(("fails", "says"), [
    ("update", "the package lists cannot be refreshed: E: Failed to fetch"),
    ("--download-only update", "the package lists cannot be refreshed: E: Failed to fetch"),
    ("--download-only", "the packages cannot be downloaded: E: Failed to fetch"),
])
def test_unreachable_mirror(bare, fails, says):
    for path in bare.path("/var/lib/apt/lists").glob("*_Packages"):
        path.unlink()
    bare.order("apt-fails", fails)
    bare.order("apt-says", UNREACHABLE)
    refuses(bare, "install", says=says, spare=(*CACHE, "/var/lib/apt/lists/.*", "/var/cache/apt/.*"))


def test_package_that_apt_does_not_know(bare):
    bare.path("/.machine/archive/docker.io.deb").unlink()
    refuses(bare, "install", says="Unable to locate package docker.io",
            spare=(*CACHE, "/var/lib/apt/lists/.*"))


HOLD = ("import fcntl, sys, time\nlock = open(sys.argv[1], 'w')\nfcntl.lockf(lock, fcntl.LOCK_EX)\n"
        "print('held', flush=True)\ntime.sleep(60)\n")


@pytest.mark.parametrize("lock", ["/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock", "/var/lib/apt/lists/lock"])
def test_package_lock_held_for_ever(bare, lock):
    bare.write(CONFIG, bare.read(CONFIG) + "timeouts:\n  package_lock: 1s\n")
    bare.write(lock, "", 0o640)
    with subprocess.Popen([sys.executable, "-c", HOLD, bare.path(lock)], stdout=subprocess.PIPE) as holder:
        holder.stdout.readline()
        start = time.monotonic()
        result = refuses(bare, "install", spare=CACHE, says=(f"(process {holder.pid})", lock, "timeouts.package_lock"))
        assert 1 <= time.monotonic() - start < 30
        holder.kill()
    assert "waiting" not in result
    assert bare.berth("install").code == 0


def test_package_lock_is_waited_for(bare):
    with subprocess.Popen([sys.executable, "-c", HOLD.replace("60", "1"),
                           bare.path("/var/lib/dpkg/lock-frontend")], stdout=subprocess.PIPE) as holder:
        holder.stdout.readline()
        result = bare.berth("install")
        assert result.code == 0, result
        assert f"waiting for the package manager's lock, held by {os.path.basename(sys.executable)[:15]}" in result.out


@pytest.mark.parametrize("status", ["install ok half-configured", "install ok unpacked",
                                    "install reinstreq half-installed", "install reinstreq installed"])
def test_dpkg_left_half_way_by_somebody_else(bare, status):
    text = bare.read("/var/lib/dpkg/status")
    bare.write("/var/lib/dpkg/status", re.sub(r"(Package: sudo\nStatus: ).*", rf"\1{status}", text))
    refuses(bare, "install", says=("packages", "'sudo' is only half installed or configured", "dpkg --configure -a"))


def test_dpkg_cut_off_by_somebody_else(bare):
    bare.write("/var/lib/dpkg/updates/0003", "Package: sudo\n")
    refuses(bare, "install", says=("dpkg was cut off in the middle", "dpkg --configure -a"))


def test_package_that_fails_to_unpack(bare):
    """The machine is changed by then: told, finished by the next run."""
    bare.order("fail-unpack", "sysbox-ce")
    result = bare.berth("install")
    assert result.code == 1 and len(result.err.splitlines()) == 1, result
    assert "the packages cannot be installed: dpkg: error processing archive sysbox-ce" in result.err
    bare.no_orders()
    assert bare.berth("install").code == 0


# ---- packages of RPM systems ----

RPM_CACHE = (*CACHE, r"/var/cache/dnf(/.*)?")
SYSBOX_PARTS = ("/usr/bin/sysbox-fs", "/usr/bin/sysbox-mgr", "/usr/bin/sysbox-runc",
                "/usr/lib/systemd/system/sysbox.service", "/usr/lib/sysctl.d/99-sysbox-sysctl.conf")


@pytest.fixture
def rpm(machine):
    machine.build("rhel-9")
    machine.prepare(sysbox=distribution.sysbox_deb())
    return machine


DNF_UNREACHABLE = ("Errors during downloading metadata for repository 'baseos':\n"
                   "  - Curl error (7): Couldn't connect to server for http://m.test/repomd.xml\n"
                   "Error: Failed to download metadata for repo 'baseos': Cannot download repomd.xml: All "
                   "mirrors were tried")


@pytest.mark.parametrize(("fails", "says"), [
    ("install", "dnf cannot resolve the packages: Failed to download metadata for repo 'baseos'"),
    ("--downloadonly", "the packages cannot be downloaded: Failed to download metadata for repo 'baseos'"),
])
def test_dnf_without_network(rpm, fails, says):
    rpm.order("dnf-fails", fails)
    rpm.order("dnf-says", DNF_UNREACHABLE)
    refuses(rpm, "install", says=(says, "All mirrors were tried; Curl error (7)"), spare=RPM_CACHE)


def test_package_that_dnf_does_not_know(rpm):
    rpm.path("/.machine/archive/docker-ce.rpm").unlink()
    refuses(rpm, "install", says="dnf cannot resolve the packages: Unable to find a match: docker-ce", spare=RPM_CACHE)


def test_rpm_that_lacks_what_it_needs(rpm):
    rpm.path("/.machine/archive/containerd.io.rpm").unlink()
    refuses(rpm, "install", says="nothing provides containerd.io needed by docker-ce", spare=RPM_CACHE)


def test_no_dnf(rpm):
    rpm.path("/usr/bin/dnf").unlink()
    refuses(rpm, "install", says="the program 'dnf' is not on this host", spare=RPM_CACHE)


def test_rpm_lock_held_for_ever(rpm):
    rpm.write(CONFIG, rpm.read(CONFIG) + "timeouts:\n  package_lock: 1s\n")
    lock = "/var/lib/rpm/.rpm.lock"
    with subprocess.Popen([sys.executable, "-c", HOLD, rpm.path(lock)], stdout=subprocess.PIPE) as holder:
        holder.stdout.readline()
        refuses(rpm, "install", spare=RPM_CACHE, says=(f"(process {holder.pid})", lock, "timeouts.package_lock"))
        holder.kill()
    assert rpm.berth("install").code == 0


def test_dnf_at_work(rpm):
    lock = "/var/cache/dnf/metadata_lock.pid"
    rpm.write(CONFIG, rpm.read(CONFIG) + "timeouts:\n  package_lock: 1s\n")
    rpm.write(lock, str(os.getpid()))
    refuses(rpm, "install", spare=RPM_CACHE, says=(f"(process {os.getpid()})", lock))


@pytest.mark.parametrize(("content", "says"), [
    (distribution.sysbox_deb()[:900], "is not a whole Debian package (truncated?)"),
    (distribution.sysbox_deb()[:-400] + bytes(400), "cannot be unpacked"),
    (b"#!/bin/sh\n", "is not a whole Debian package (truncated?)"),
    (distribution.sysbox_deb(("opt/tool", b"x", 0o755)), "has '/opt/tool' in it"),
    (distribution.sysbox_deb(("usr/bin/link", "/etc/shadow")), "has '/usr/bin/link' in it"),
    (distribution.deb_of([("usr",)]), "has no files in it"),
])
def test_package_that_is_not_unpacked(rpm, content, says):
    rpm.prepare(sysbox=content)
    refuses(rpm, "install", says=says, spare=RPM_CACHE)
    rpm.write(CONFIG, f"{POOL_CONFIG}sysbox:\n  file: {SYSBOX_DEB}\n")
    refuses(rpm, "install", says=says, spare=RPM_CACHE)


def test_sysbox_installed_by_hand(rpm):
    rpm.write("/usr/bin/sysbox-fs", "#!/bin/sh\n# mine\n", 0o755)
    refuses(rpm, "install", says=("'/usr/bin/sysbox-fs' is there already", "remove it"), spare=RPM_CACHE)


def test_bundle_on_an_rpm_system(rpm):
    for command in ("install", "plan"):
        refuses(rpm, command, "--bundle", "/any.bundle", says="a bundle is of Debian packages, and 'rhel' takes RPMs")


def test_rpm_system_without_tar(rpm):
    """tar and xz come with the packages, and go again."""
    for program in ("/usr/bin/tar", "/usr/bin/xz", "/usr/bin/fusermount3", "/usr/bin/rsync"):
        rpm.path(program).unlink()
    text = rpm.read("/var/lib/rpm/Packages")
    rpm.write("/var/lib/rpm/Packages", re.sub(r"Package: (tar|xz|fuse3|rsync)\n.*\n.*\n\n", "", text))
    before = rpm.snapshot(trees.TRACES)
    result = rpm.berth("install")
    assert result.code == 0, result
    assert all(rpm.path(path).exists() for path in (*SYSBOX_PARTS, "/usr/bin/tar", "/usr/bin/fusermount3"))
    assert rpm.berth("uninstall").code == 0
    assert not trees.differences(before, rpm.snapshot(trees.TRACES)) and not rpm.harm()


def test_rpm_that_fails_to_install(rpm):
    rpm.order("fail-unpack", "docker-ce")
    result = rpm.berth("install")
    assert result.code == 1 and len(result.err.splitlines()) == 1, result
    assert "the packages cannot be installed" in result.err
    rpm.no_orders()
    assert rpm.berth("install").code == 0


def test_unpacked_file_that_was_changed_since(rpm):
    """Left as it is, and said so; the rest goes."""
    assert rpm.berth("install").code == 0
    rpm.write("/usr/bin/sysbox-fs", "mine")
    refuses(rpm, "install", says="'/usr/bin/sysbox-fs' is there already", spare=RPM_CACHE)
    result = rpm.berth("uninstall")
    assert "'/usr/bin/sysbox-fs' was changed since berth put it there: left as it is" in result.out, result
    assert [path for path in SYSBOX_PARTS if rpm.path(path).exists()] == ["/usr/bin/sysbox-fs"]


def test_package_of_another_since(rpm):
    """Something that needs what berth brought: all of it stays."""
    assert rpm.berth("install").code == 0
    text = rpm.read("/var/lib/rpm/Packages")
    rpm.write("/var/lib/rpm/Packages", text + "Package: compose\nVersion: 2\nStatus: install ok installed\n"
              "Depends: docker-ce-cli\n\n")
    result = rpm.berth("uninstall")
    assert "packages installed since need them: compose; remove these first" in result.out, result
    assert "Package: docker-ce\n" in rpm.read("/var/lib/rpm/Packages") and rpm.path("/usr/bin/docker").exists()
    packages = rpm.read("/var/lib/rpm/Packages")
    rpm.write("/var/lib/rpm/Packages", packages[:packages.index("Package: compose")])
    result = rpm.berth("uninstall")
    assert "Done: 1 changes undone, nothing of berth is left." in result.out, result
    assert "Package: docker-ce\n" not in rpm.read("/var/lib/rpm/Packages") and not rpm.path("/usr/bin/docker").exists()


# ---- the machine ----

def recorded(machine, key, value):
    lines = [line for line in machine.read("/recorded").splitlines() if not line.startswith(key + "=")]
    machine.write("/recorded", "\n".join([*lines, f"{key}={value}"]) + "\n")


@pytest.mark.parametrize(("key", "value", "says"), [
    ("arch", "riscv64", "Sysbox has no build for riscv64"),
    ("disk", "100M", "100M is free on /var/lib"),
    ("try.userns", "no", "kernel.userns"),
    ("try.overlay", "no", "kernel.overlay"),
    ("try.fuse", "no", "kernel.fuse"),
    ("try.xfs", "no", "kernel.xfs"),
    ("try.loop", "no", "kernel.loop"),
])
def test_machine_without(bare, key, value, says):
    recorded(bare, key, value)
    refuses(bare, "install", says=(says, "this machine cannot be a sandbox host as it is", "->"))
    refuses(bare, "plan", says=says)


def test_kernel_without_xfs_quota(bare):
    bare.write("/boot/config-6.1.0-26-amd64", "CONFIG_XFS_FS=m\n# CONFIG_XFS_QUOTA is not set\n")
    refuses(bare, "install", says="this kernel's XFS has no quota")


def test_no_systemd(bare):
    bare.path("/run/systemd/system").rmdir()
    bare.write("/proc/1/comm", "init\n")
    refuses(bare, "install", says="PID 1 is init, not systemd")


@pytest.mark.parametrize(("text", "says"), [
    ('ID=slackware\nPRETTY_NAME="Slackware 15.0 x86_64"\n', "berth does not know the system 'Slackware 15.0 x86_64'"),
    ("ID=alpine\nPRETTY_NAME='Alpine Linux v3.20'\n", "this is Alpine"),
    ("", "(no os-release)"),
    ("ID=debian\nwhat is this\n", "os-release line 2 is not of the form KEY=value"),
])
def test_system(bare, text, says):
    bare.write("/etc/os-release", text)
    refuses(bare, "install", says=says)


def test_no_os_release(bare):
    bare.path("/etc/os-release").unlink()
    refuses(bare, "install", says="(no os-release)")


@pytest.mark.parametrize("name", ["cos", "flatcar", "wsl", "container", "snap-docker"])
def test_places_that_cannot_be_hosts(machine, name):
    machine.build(name)
    for command in ("install", "plan"):
        refuses(machine, command, says="this machine cannot be a sandbox host as it is")


def test_address_range_in_use(bare):
    bare.write("/proc/net/route", bare.read("/proc/net/route") +
               "vpn0\t000018AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n")
    refuses(bare, "install", says=("172.24.0.1/16 (docker.bridge_ip) overlaps", "by vpn0"))


def test_running_containers_that_may_not_stop(machine):
    machine.build("debian-12-docker")
    machine.prepare(POOL_CONFIG + "docker:\n  interrupt: refuse\n")
    machine.write("/run/machine/containers", "c0ffee\n")
    refuses(machine, "install", says=("1 running container", "docker.interrupt"))


def test_sysbox_that_no_package_owns(bare):
    bare.write("/usr/local/bin/sysbox-runc", distribution.STUB, 0o755)
    bare.write(CONFIG, bare.read(CONFIG) + "  other_version: exact\n")
    refuses(bare, "install", says="not from a package")


def test_folder_that_is_not_there(machine):
    result = subprocess.run([machine.program, "--root", "/nowhere", "install"], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stderr == "berth: open the host's root '/nowhere': No such file or directory\n"


def test_no_root(machine):
    """On the machine itself: tried as a user who may not do any harm."""
    options = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
    for command in ("install", "uninstall", "verify"):
        result = subprocess.run([machine.program, command], capture_output=True, text=True, check=False, cwd="/",
                                env=machine.environment(), **options)
        assert result.returncode == 1, result
        assert result.stderr == f"berth: 'berth {command}' changes the system and must be root: run it with sudo\n"


# ---- the command line ----

@pytest.mark.parametrize(("words", "says"), [
    ([], "Usage: berth COMMAND"),
    (["instal"], "there is no command 'instal'"),
    (["install", "--fast"], "there is no option '--fast'"),
    (["plan", "--wait"], "'plan' does not take --wait"),
    (["install", "--step"], "takes a value"),
    (["install", "--step", "storage"], "there is no step 'storage'"),
    (["install", "--wait=soon"], "--wait takes a time as 30s or 10m, not 'soon'"),
    (["install", "now"], "does not know what to do with 'now'"),
    (["config"], "'berth config' needs more"),
    (["config", "print"], "Usage: berth config"),
    (["bundle", "verify"], ""),
    (["pool", "format", "/x"], ""),
])
def test_usage(bare, words, says):
    before = bare.snapshot()
    result = bare.berth(*words)
    assert result.code == 64, result
    assert says in result.out + result.err
    assert bare.snapshot() == before


@pytest.mark.parametrize(("content", "says"), [
    (b"", ""), (b"not a bundle" * 1000, ""), (None, "No such file"),
])
def test_bundle(bare, content, says):
    bundle = bare.place / "some.bundle"
    bundle.unlink(missing_ok=True)
    if content is not None:
        bundle.write_bytes(content)
    for words in (["install", "--bundle", str(bundle)], ["plan", "--bundle", str(bundle)],
                  ["bundle", "verify", str(bundle)]):
        refuses(bare, *words, says=(str(bundle), says))
