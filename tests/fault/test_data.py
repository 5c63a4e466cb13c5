"""What is on the machine already, and what tenants have written since: nothing of it is hidden, cut off or crowded out.

Refusals come before anything is changed; a folder that is read-only, or settings that dockerd would not take, among them.
"""

import os

import pytest

import kubelets
from machine import POOL_CONFIG
from test_bad_input import AS_ROOT, CONFIG, DAEMON_JSON, refuses

GIB = 1 << 30
ROOT = "1 0 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n"
POOL = ROOT + "2 1 7:0 / /var/lib/berth/pool rw,noatime - xfs /dev/loop0 rw,prjquota\n"
ON_POOL = POOL + ("3 1 7:0 /docker /var/lib/docker rw,noatime - xfs /dev/loop0 rw,prjquota\n"
                  "4 1 7:0 /sysbox /var/lib/sysbox rw,noatime - xfs /dev/loop0 rw,prjquota\n")


@pytest.fixture
def with_docker(machine):
    """A Docker that runs."""
    machine.build("debian-12-docker")
    machine.prepare()
    return machine


@pytest.fixture
def installed(machine):
    machine.build("debian-12")
    machine.prepare()
    assert machine.berth("install").code == 0
    return machine


def disk(machine, total, free):
    lines = [line for line in machine.read("/recorded").splitlines() if not line.startswith("filesystem:")]
    machine.write("/recorded", "\n".join([*lines, f"filesystem:/=ext4 {total} {free}"]) + "\n")


def fill(machine, path, size):
    """A file of that many bytes on the disk, which nobody has to write."""
    file = machine.path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    with open(file, "wb") as opened:
        os.posix_fallocate(opened.fileno(), 0, size)


def docker_runs(machine):
    """All the time: it was not even started again."""
    return ("ActiveState=active" in machine.systemctl("show", "docker.service").stdout
            and not [line for line in machine.log() if line.startswith("docker started")])


# ---- a disk of its own where the pool is to be ----

@pytest.mark.parametrize("place", ["/var/lib/docker", "/var/lib/sysbox"])
def test_a_mount_where_the_pool_belongs(with_docker, place):
    with_docker.write("/proc/self/mountinfo", f"{ROOT}2 1 8:17 / {place} rw,relatime - ext4 /dev/sdb1 rw\n")
    refuses(with_docker, "install", says=(f"{place} is a mount of its own (/dev/sdb1, ext4)", "/etc/fstab"))
    assert docker_runs(with_docker)


def test_the_mounts_of_the_pool_itself(installed):
    installed.write("/proc/self/mountinfo", ON_POOL)
    assert "pool.place" not in installed.berth("plan", "--json").out


# ---- what would not fit ----

def test_more_data_than_the_pool_will_have(with_docker):
    with_docker.prepare("pool:\n  size: 1G\n")
    fill(with_docker, "/var/lib/docker/overlay2/layer/diff/big", GIB)
    for command in ("plan", "install"):
        refuses(with_docker, command, says=("'/var/lib/docker' holds 1", "the pool can take", "set a larger pool.size"))
    assert docker_runs(with_docker)


def test_more_data_than_the_disk_below_has_room_for(with_docker):
    """The image would be sparse: it promises what the disk does not have."""
    with_docker.prepare("pool:\n  size: 50G\n  reserve: 2G\n")
    disk(with_docker, 60 * GIB, 3 * GIB + (64 << 20))
    fill(with_docker, "/var/lib/docker/overlay2/layer/diff/big", GIB)
    refuses(with_docker, "install", says=("'/var/lib/docker' holds 1", "the pool can take 1"))
    assert docker_runs(with_docker)
    disk(with_docker, 60 * GIB, 4 * GIB)
    assert with_docker.berth("plan").code == 2


def test_uninstall_with_more_data_than_fits(installed):
    installed.write("/proc/self/mountinfo", ON_POOL)
    fill(installed, "/var/lib/berth/pool/docker/overlay2/layer/diff/big", 300 << 20)
    fill(installed, "/var/lib/berth/pool/docker/image/overlay2/imagedb/content/sha256/0a", 4096)
    disk(installed, 100 * GIB, 370 << 20)
    refuses(installed, "uninstall", says=("1 images", "does not fit on /var/lib", "370M free", "--delete-data"))
    disk(installed, 100 * GIB, 400 << 20)
    assert "does not fit" not in installed.berth("uninstall").err


def test_uninstall_gives_data_up_only_when_it_is_told_to(installed):
    installed.write("/proc/self/mountinfo", ON_POOL)
    fill(installed, "/var/lib/berth/pool/docker/image/overlay2/imagedb/content/sha256/0a", 4096)
    disk(installed, 100 * GIB, 4096)
    refuses(installed, "uninstall", says="--delete-data")
    installed.write("/proc/self/mountinfo", ROOT)
    result = installed.berth("uninstall", "--delete-data")
    assert result.code == 0 and not installed.path("/var/lib/berth").exists(), result


# ---- refused while Docker still runs ----

def test_settings_that_dockerd_would_refuse(with_docker):
    with_docker.write(DAEMON_JSON, '{"debug": "yes"}')
    refuses(with_docker, "install", says=("would not be accepted by dockerd", "the file was not changed"),
            spare=(r"/var/lib/berth(/.*)?",))
    assert docker_runs(with_docker)


@AS_ROOT
def test_a_folder_that_is_read_only(with_docker):
    with_docker.write(DAEMON_JSON, "{}")
    folder = with_docker.path("/etc/docker")
    mount = f"mount --bind '{folder}' '{folder}' && mount -o remount,ro,bind '{folder}' && exec \"$@\""
    refuses(with_docker, "install", says=(DAEMON_JSON, "read-only file system"), spare=(r"/var/lib/berth(/.*)?",),
            through=("unshare", "-m", "sh", "-c", mount, "sh"))
    assert docker_runs(with_docker)


# ---- one step ----

@pytest.mark.parametrize("step", ["daemon-json", "sysbox", "pool"])
def test_a_step_beneath_a_docker_that_runs(with_docker, step):
    refuses(with_docker, "install", "--step", step, says=("Docker runs on the root disk", f"step '{step}'"))


def test_a_step_that_stops_docker_starts_it(installed):
    installed.write("/proc/self/mountinfo", ON_POOL)
    installed.write(DAEMON_JSON, installed.read(DAEMON_JSON).replace('"default-runtime": "sysbox-runc"',
                                                                     '"default-runtime": "runc"'))
    installed.forget_log()
    result = installed.berth("install", "--step", "daemon-json")
    assert result.code == 0 and "Step 'daemon-json' is done." in result.out, result
    assert "ActiveState=active" in installed.systemctl("show", "docker.service").stdout
    assert [line for line in installed.log() if line.startswith("docker started")] == ["docker started on /var/lib/docker"]
    assert "step 'daemon-json' is as the settings say" in installed.berth("install", "--step", "daemon-json").out


# ---- a kubelet that came later ----

def test_the_engine_of_a_kubelet_stays(installed):
    for path, text in kubelets.KUBEADM.items():
        installed.write(path, text)
    installed.systemctl("daemon-reload")
    installed.systemctl("enable", "kubelet.service")
    result = installed.berth("uninstall")
    assert "kubelet runs its pods with it" in result.out + result.err, result
    assert installed.path("/usr/bin/containerd").exists() and not installed.path("/usr/bin/dockerd").exists()
