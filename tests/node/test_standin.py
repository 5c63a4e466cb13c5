"""The stand-in for Sysbox behaves as Sysbox does where berth relies on it.

With SYSBOX_DEB=/path/of/sysbox-ce.deb the same is asked of a real one.
"""

import json
import time

import pytest

import sysbox
from setups import CONTAINER_IMAGE, DOCKER_KEY, apt_install, import_busybox, install_docker

UNITS = ("sysbox.service", "sysbox-mgr.service", "sysbox-fs.service")
KINDS = ("docker", "kubelet", "k0s", "rancher-k3s", "rancher-rke2", "buildkit", "containerd")

# One XFS with project quotas below both data directories, the way berth lays them out.
POOL = """\
set -e
systemctl stop docker.socket docker.service sysbox.service
truncate -s 3G /pool.img
mkfs.xfs -q /pool.img
mkdir -p /pool
mount -o loop,prjquota /pool.img /pool
for name in docker sysbox; do
    mkdir -p "/pool/$name" "/var/lib/$name"
    mount --bind "/pool/$name" "/var/lib/$name"
done
systemctl start sysbox.service docker.socket docker.service
"""

# Root inside owns what the image brought and what the engine bound in, and may write all of it.
LOOK_AROUND = """\
set -e
cat /proc/self/uid_map
for file in / /bin/busybox /etc/hosts /var/lib/docker; do
    stat -c '%n %u:%g' "$file"
done
echo new > /new
echo kept > /var/lib/docker/kept
echo 127.0.0.1 more >> /etc/hosts
chown 5:7 /bin/busybox
stat -c '%n %u:%g' /new /bin/busybox
"""


@pytest.fixture
def sysbox_node(node_factory, suite):
    return sysbox.start(node_factory, suite)


def docker_run(node, *words, runtime="sysbox-runc", check=True):
    return node.run(["docker", "run", f"--runtime={runtime}", *words], timeout=300, check=check)


def start_sandbox(node, name, *options):
    """Its full id."""
    return docker_run(node, "--detach", f"--name={name}", *options, CONTAINER_IMAGE,
                      "sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1; done").stdout.strip()


def inside(node, name, script):
    return node.run(["docker", "exec", name, "sh", "-c", script], timeout=120).stdout


def volumes(node, kind):
    return set(node.run(["ls", f"/var/lib/sysbox/{kind}"]).stdout.split())


def wait_until(true, seconds=30):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.3)


def active(node, unit):
    return node.run(["systemctl", "is-active", unit], check=False).stdout.strip()


def test_installs_like_the_real_package(sysbox_node):
    node = sysbox_node
    assert node.run("dpkg-query -W -f '${db:Status-Status}' sysbox-ce").stdout == "installed"
    for unit in UNITS:
        assert active(node, unit) == "active"
        assert node.run(["systemctl", "is-enabled", unit]).stdout == "enabled\n"
    for program in ("sysbox-runc", "sysbox-mgr", "sysbox-fs"):
        said = node.run([program, "--version"]).stdout
        assert said.startswith(f"{program}\n") and "\tversion: \t0.7.1\n" in said
        assert not sysbox.is_standin() or "stand-in for tests, not Sysbox" in said
    settings = json.loads(node.read("/etc/docker/daemon.json"))
    assert settings["runtimes"]["sysbox-runc"]["path"] == "/usr/bin/sysbox-runc"
    assert settings["bip"] == "172.20.0.1/16"
    assert settings["default-address-pools"] == [{"base": "172.25.0.0/16", "size": 24}]
    assert "sysbox-runc" in node.run(["docker", "info"]).stdout
    assert "sysbox:100000:65536\n" in node.read("/etc/subuid")
    assert int(node.read("/proc/sys/fs/inotify/max_user_instances")) == 1048576
    assert set(node.run("ls /run/sysbox/*.sock").stdout.split()) == {
        "/run/sysbox/sysmgr.sock", "/run/sysbox/sysfs.sock"}
    assert set(KINDS) <= set(node.run("ls /var/lib/sysbox").stdout.split())
    node.run("systemctl stop sysbox.service")
    refused = node.run(["timeout", "20", "sysbox-mgr", "--data-root", "/run/data"], check=False)
    assert refused.returncode == 1 and "tmpfs" in refused.stderr
    refused = node.run("PATH=/nowhere /usr/bin/timeout 20 /usr/bin/sysbox-mgr", check=False)
    assert refused.returncode == 1 and "rsync is not installed" in refused.stderr


@pytest.mark.parametrize("storage", ["ext4", "xfs"])
def test_the_life_of_a_sandbox(sysbox_node, storage):
    node = sysbox_node
    options = ()
    if storage == "xfs":
        node.run(POOL, timeout=300)
        import_busybox(node)
        options = ("--storage-opt", "size=300M")
    first = start_sandbox(node, "first", *options)
    second = start_sandbox(node, "second", *options)
    assert inside(node, "first", LOOK_AROUND).split("\n")[:7] == [
        "         0     100000      65536", "/ 0:0", "/bin/busybox 0:0", "/etc/hosts 0:0",
        "/var/lib/docker 0:0", "/new 0:0", "/bin/busybox 5:7"]
    assert inside(node, "second", "ls /new /var/lib/docker 2>&1; stat -c %u /bin/busybox").endswith("\n0\n")
    if storage == "xfs":
        assert " 307200 " in inside(node, "first", "df -k / | tail -n 1")
    for kind in KINDS:
        assert volumes(node, kind) == {first, second}
    upper = node.run(["docker", "inspect", "-f", "{{.GraphDriver.Data.UpperDir}}", "first"]).stdout.strip()
    assert node.run(["stat", "-c", "%u:%g", f"{upper}/new"]).stdout == "100000:100000\n"
    assert node.run(["stat", "-c", "%u:%g", f"/var/lib/sysbox/docker/{first}/kept"]).stdout == "0:0\n"

    node.run(["docker", "stop", "first"], timeout=120)
    assert node.run(["stat", "-c", "%u:%g", f"{upper}/new"]).stdout == "0:0\n"
    assert node.read(f"{upper}/var/lib/docker/kept") == "kept\n"
    assert volumes(node, "docker") == {first, second}
    node.run(["docker", "start", "first"], timeout=300)
    assert inside(node, "first", "cat /new /var/lib/docker/kept; stat -c %u:%g /new /bin/busybox") == \
        "new\nkept\n0:0\n5:7\n"

    node.run(["docker", "rm", "--force", "first"], timeout=120)
    wait_until(lambda: volumes(node, "docker") == {second})
    node.run(["docker", "rm", "--force", "second"], timeout=120)
    for kind in KINDS:
        wait_until(lambda kind=kind: volumes(node, kind) == set())


def test_what_is_refused_and_what_a_stop_takes_away(sysbox_node):
    node = sysbox_node
    for option, word in (("--net=host", "network"), ("--pid=host", "pid")):
        refused = docker_run(node, "--rm", option, CONTAINER_IMAGE, "true", check=False)
        assert refused.returncode != 0
        assert "sysbox containers can't share" in refused.stderr and word in refused.stderr
    docker_run(node, "--rm", "--privileged", CONTAINER_IMAGE, "true")
    docker_run(node, "--rm", "--net=host", CONTAINER_IMAGE, "true", runtime="runc")

    identity = start_sandbox(node, "stopped")
    inside(node, "stopped", "echo file > /file; echo lost > /var/lib/kubelet/lost")
    node.run(["docker", "stop", "stopped"], timeout=120)
    assert volumes(node, "kubelet") == {identity}
    begin = time.monotonic()
    node.run(["systemctl", "stop", "sysbox.service"])
    assert time.monotonic() - begin < 20
    assert [active(node, unit) for unit in UNITS] == ["inactive"] * 3
    assert node.run("ls /var/lib/sysbox", check=False).stdout == ""
    refused = docker_run(node, "--rm", CONTAINER_IMAGE, "true", check=False)
    assert refused.returncode != 0 and "sysbox" in refused.stderr
    node.run(["systemctl", "start", "sysbox.service"])
    node.run(["docker", "start", "stopped"], timeout=300)
    assert inside(node, "stopped", "cat /file; stat -c %u /file") == "file\n0\n"
    assert volumes(node, "kubelet") == {identity}


def test_nobody_gives_files_back_after_a_crash(sysbox_node):
    """What makes berth heal: a mgr that did not see the start leaves the owners shifted."""
    node = sysbox_node
    start_sandbox(node, "victim")
    inside(node, "victim", "echo file > /file")
    node.run("kill -KILL $(systemctl show --property MainPID --value sysbox-mgr.service)")
    wait_until(lambda: active(node, "sysbox.service") != "active")
    wait_until(lambda: active(node, "sysbox-fs.service") != "active")
    node.run(["docker", "kill", "victim"], timeout=120)
    node.run(["systemctl", "start", "sysbox.service"], timeout=120)
    node.run(["docker", "start", "victim"], timeout=300)
    assert inside(node, "victim", "stat -c '%n %u' / /file /bin/busybox; echo x 2>&1 >> /bin/busybox || true") \
        .startswith("/ 0\n/file 0\n/bin/busybox 65534\n")
    assert inside(node, "victim", "stat -c %u /var/lib/docker; echo more > /var/lib/docker/more") == "0\n"


def test_needs_fusermount3_for_every_sandbox(sysbox_node):
    node = sysbox_node
    node.run("mv $(command -v fusermount3) /root/")
    refused = docker_run(node, "--rm", CONTAINER_IMAGE, "true", check=False)
    assert refused.returncode != 0 and "fusermount3" in refused.stderr


def test_refuses_to_restart_docker_under_a_container(node_factory, suite):
    node = node_factory.derive(DOCKER_KEY, install_docker, suite=suite)
    apt_install(node, "fuse3", "jq")
    assert sysbox.apt_install_package(node, check=False).returncode != 0
    status = ["dpkg-query", "-W", "-f", "${db:Status-Status}", "sysbox-ce"]
    assert node.run(status).stdout == "half-configured"
    assert active(node, "sysbox.service") == "inactive"
    assert node.run("docker ps --quiet").stdout.count("\n") == 1

    node.put(b'{\n    "bip": "172.30.0.1/16",\n    "default-address-pools": [\n'
             b'        {"base": "172.31.0.0/16", "size": 24}\n    ]\n}\n', "/etc/docker/daemon.json")
    before = node.run("pidof dockerd").stdout
    node.run(["dpkg", "--configure", "--pending"], timeout=300)
    assert node.run(status).stdout == "installed"
    assert active(node, "sysbox.service") == "active"
    assert node.run("pidof dockerd").stdout == before
    settings = json.loads(node.read("/etc/docker/daemon.json"))
    assert settings["bip"] == "172.30.0.1/16" and "sysbox-runc" in settings["runtimes"]

    node.run(["apt-get", "remove", "--yes", "sysbox-ce"], timeout=300)
    assert [active(node, unit) for unit in UNITS] == ["inactive"] * 3
    assert "sysbox-runc" in node.read("/etc/docker/daemon.json")
    node.run(["apt-get", "purge", "--yes", "sysbox-ce"], timeout=300)
    settings = json.loads(node.read("/etc/docker/daemon.json"))
    assert settings["bip"] == "172.30.0.1/16" and settings["runtimes"] == {}
