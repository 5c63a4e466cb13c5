"""The virtual node keeps its promises, on every suite where that may differ."""

import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import crashes
import states
from environment import HERE, cache_dir
from setups import CONTAINER_IMAGE, DOCKER_KEY, apt_install, docker_packages, install_docker
from ssh import CommandFailed
from vm import HarnessError, Node

QUOTA_LAB = """\
set -e
truncate -s 400M /pool.img
mkfs.xfs -q /pool.img
mkdir -p /pool
mount -o loop,prjquota /pool.img /pool
mkdir /pool/tenant
xfs_quota -x -c 'project -s -p /pool/tenant 7' -c 'limit -p bhard=10m 7' /pool
"""

# A server in the node that greets one caller.
ONE_ANSWER = """\
import socket
with socket.create_server(("", 9477)) as server:
    print("listening", flush=True)
    server.accept()[0].sendall(b"hello")
"""

# Another harness in the middle of something; it tells what it must not leave behind.
BUSY_HARNESS = """\
from vm import Node
node = Node().start()
print(node._qemu.process.pid, node._folder, flush=True)
node.run("sleep 600", timeout=600)
"""


def test_is_a_clean_node(node, suite):
    assert f"VERSION_CODENAME={suite}\n" in node.read("/etc/os-release")
    assert node.settle() == "running"
    for program in ("docker", "dockerd", "mkfs.xfs", "fusermount3", "rsync", "jq", "iptables"):
        assert node.run(["which", program], check=False).returncode == 1, program
    assert node.run("ls /var/lib/apt/lists | grep -c Packages", check=False).stdout == "0\n"
    assert node.run("nproc").stdout == f"{node.state.hardware.cpus}\n"


def test_its_clock_is_right_after_a_resume(node):
    assert abs(float(node.run("date +%s.%N").stdout) - time.time()) < 20


def test_installs_from_its_archive_and_xfs_enforces_quotas(node, suite):
    apt_install(node, "xfsprogs")
    node.run(QUOTA_LAB)
    assert "prjquota" in node.run("findmnt -no OPTIONS /pool").stdout
    full = node.run("dd if=/dev/zero of=/pool/tenant/file bs=1M count=20", check=False)
    assert full.returncode == 1 and "No space left on device" in full.stderr
    assert int(node.run("stat -c %s /pool/tenant/file").stdout) <= 10 << 20
    plan = node.run(["apt-get", "install", "--simulate", *docker_packages(suite), "fuse3", "rsync",
                     "jq", "iptables", "lsb-release"])
    assert "\nInst docker.io " in plan.stdout and "\nInst containerd " in plan.stdout
    assert "\nInst fuse " in node.run("apt-get install --simulate fuse").stdout


def test_reaches_nothing_but_the_archive(node):
    def reaches(address, port):
        line = f"timeout 5 bash -c 'exec 3<>/dev/tcp/{address}/{port}'"
        return node.run(line, check=False).returncode == 0

    # What of this machine listens for certain: the archive's own server.
    inside = node.repo.port
    assert reaches("archive.test", 80)
    assert not reaches("10.0.2.2", inside)
    assert not reaches("10.0.2.2", 22)
    assert not reaches("1.1.1.1", 80)
    assert node.run("getent hosts deb.debian.org", check=False, timeout=10).returncode == 2


def test_power_cut_keeps_what_was_synced(node):
    before = node.boot_id()
    node.run("echo safe > /synced && sync /synced / && echo lost > /unsynced")
    node.power_cut()
    with pytest.raises(HarnessError):
        node.run("true")
    node.boot()
    assert node.read("/synced") == "safe\n"
    assert node.boot_id() != before
    assert "recovery complete" in node.run("dmesg").stdout, "the file system was unmounted in order"


def test_power_cut_in_the_middle_of_a_command(node_factory):
    node = node_factory()
    busy = node.popen("while :; do date >> /log; sync /log; echo tick; done",
                      stdout=subprocess.PIPE)
    for _ in range(3):
        assert busy.stdout.readline() == b"tick\n"
    node.power_cut()
    assert busy.wait(10) == 255
    busy.stdout.close()
    node.boot()
    assert len(node.read("/log").splitlines()) >= 3


def test_reboot_shutdown_and_boot(node_factory):
    node = node_factory()
    node.run("echo kept > /file")
    before = node.boot_id()
    node.reboot()
    assert node.boot_id() != before and node.read("/file") == "kept\n"
    node.shutdown()
    with pytest.raises(HarnessError):
        node.power_cut()
    node.boot()
    assert node.read("/file") == "kept\n"


def test_boots_without_a_saved_state(suite, node_factory, monkeypatch):
    monkeypatch.setenv("BERTH_NODE_COLD", "1")
    node = node_factory(suite)
    assert node.state.memory is None
    assert float(node.read("/proc/uptime").split()[0]) < 300
    assert node.settle() == "running"


class TestRun:
    """One node is enough: none of these leaves anything behind that the next would mind."""

    @pytest.fixture(scope="class")
    def node(self, images):
        with Node() as node:
            yield node

    def test_results(self, node):
        done = node.run("echo out; echo err >&2; exit 3", check=False)
        assert (done.returncode, done.stdout, done.stderr) == (3, "out\n", "err\n")
        with pytest.raises(CommandFailed, match="exit status 3"):
            node.run("exit 3")

    def test_words_are_passed_as_they_are(self, node):
        words = ["$HOME", "two words", "'", '"', "a\nb", "*", ""]
        done = node.run(["printf", "%s|", *words])
        assert done.stdout == "".join(f"{word}|" for word in words)

    def test_environment_and_input(self, node):
        done = node.run('cat; echo "$A-$B"', input="fed\n", env={"A": "x y", "B": "$z"})
        assert done.stdout == "fed\nx y-$z\n"

    def test_terminal(self, node):
        assert node.run("test -t 0 && test -t 1", tty=True).returncode == 0
        assert node.run("test -t 1", check=False).returncode == 1

    def test_time_limit_ends_the_command_in_the_node(self, node):
        with pytest.raises(CommandFailed, match="no end within 2 s"):
            node.run("sleep 1000; true", timeout=2)
        assert node.run("pgrep -f 'sleep 100[0]'", check=False).returncode == 1

    def test_stream(self, node):
        lines = []
        done = node.run("echo one; sleep 1; echo two >&2", stream=lambda line: lines.append(line))
        assert lines == ["one\n", "two\n"] and done.stdout == "one\ntwo\n"

    def test_files_go_there_and_back(self, node, tmp_path):
        data = os.urandom(3 << 20)
        (tmp_path / "tool").write_bytes(data)
        (tmp_path / "tool").chmod(0o750)
        node.put(tmp_path / "tool", "/opt/new folder/tool")
        node.get("/opt/new folder/tool", tmp_path / "back")
        assert (tmp_path / "back").read_bytes() == data
        assert node.run(["stat", "-c", "%a %U", "/opt/new folder/tool"]).stdout == "750 root\n"
        node.put(b"text", "/opt/text", mode=0o600)
        assert node.read("/opt/text") == "text"
        (tmp_path / "tree" / "deep").mkdir(parents=True)
        (tmp_path / "tree" / "deep" / "leaf").write_text("green")
        node.put(tmp_path / "tree", "/opt/tree")
        assert node.read("/opt/tree/deep/leaf") == "green"

    def test_ports_can_be_reached(self, node):
        port = node.expose(9477)
        server = node.popen(["python3", "-c", ONE_ANSWER], stdout=subprocess.PIPE)
        assert server.stdout.readline() == b"listening\n"
        with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            assert connection.recv(100) == b"hello"
        assert server.wait(30) == 0
        server.stdout.close()


def test_archive_faults_are_felt(node_factory):
    node = node_factory()

    def update():
        return node.run("apt-get -o Acquire::Retries=0 update", check=False, timeout=200)

    for mode, words in (("error", "500"), ("down", "Failed to fetch"), ("corrupt", "is not signed"),
                        ("missing", "does not have a Release file")):
        node.repo.fail(mode, "*Release*")
        said = update()
        assert words in said.stdout + said.stderr, (mode, str(said))
        node.repo.heal()
    assert update().returncode == 0
    for mode, words in (("corrupt", "Hash Sum mismatch"), ("truncated", "Failed to fetch")):
        node.repo.fail(mode, "*/jq_*")
        said = node.run("apt-get -o Acquire::Retries=0 install --download-only -y jq", check=False)
        assert said.returncode == 100 and words in said.stderr, (mode, str(said))
        node.repo.heal()
    assert node.run("apt-get install --download-only -y jq").returncode == 0


def test_extra_disks_and_memory(node_factory):
    node = node_factory(disks=["3G"], memory=1024)
    assert node.run("blockdev --getsize64 /dev/vdb").stdout == f"{3 << 30}\n"
    assert node.run("blkid -p /dev/vdb", check=False).returncode == 2, "the disk is not empty"
    assert 800_000 < int(node.read("/proc/meminfo").split()[1]) < 1024 * 1024


def test_nodes_of_one_state_are_apart(images):
    def live(number):
        with Node() as node:
            node.run(f"echo {number} > /mine && sync")
            time.sleep(2)
            script = "cat /mine; ls / | grep -c mine; head -c 8 /dev/urandom | base64"
            return node.run(script).stdout.split()

    with ThreadPoolExecutor(max_workers=2) as pool:
        first, second = pool.map(live, (1, 2))
    assert first[:2] == ["1", "1"] and second[:2] == ["2", "1"]
    assert first[2] != second[2], "two nodes drew the same random numbers"


def test_a_derived_node_goes_on_where_the_set_up_stopped(node_factory):
    made = []

    def set_up(node):
        made.append(node.name)
        node.run("touch /prepared; nohup sleep 987654 >/dev/null 2>&1 &")

    key = f"test of derive {os.getpid()}"
    first = node_factory.derive(key, set_up)
    again = node_factory.derive(key, set_up)
    assert len(made) == 1
    for node in (first, again):
        assert node.run("ls /prepared; pgrep -c -f 'sleep 98765[4]'").stdout == "/prepared\n1\n"
    further = node_factory.derive(key, lambda node: node.run("rm /prepared"), base=first.state)
    assert further.run("test -e /prepared", check=False).returncode == 1
    for node in (further, again):
        # Nobody will ask for these again.
        node.close()
        states.remove(node.state)


def test_docker_runs_in_a_derived_node(node_factory):
    node = node_factory.derive(DOCKER_KEY, install_docker, suite="trixie")
    assert node.run("docker exec tenant cat /file").stdout == "kept\n"
    assert node.run(["docker", "run", "--rm", "--network", "none", CONTAINER_IMAGE, "echo", "new"],
                    timeout=300).stdout == "new\n"


def test_nothing_outlives_a_killed_harness(images):
    child = subprocess.Popen([sys.executable, "-c", BUSY_HARNESS], cwd=HERE,
                             stdout=subprocess.PIPE, text=True)
    pid, folder = child.stdout.readline().split()
    assert Path(f"/proc/{pid}").exists() and Path(folder).is_dir()
    child.send_signal(signal.SIGKILL)
    child.wait(10)
    child.stdout.close()
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not Path(f"/proc/{pid}").exists()
    with Node():
        assert not Path(folder).exists(), "the next node sweeps up what the killed one left"
    assert not list((cache_dir() / "run").glob(f"*-{os.getpid()}-*"))


def test_states_nobody_uses_are_removed_and_what_others_stand_on_is_not(node_factory):
    old = node_factory.derive(f"old {os.getpid()}", lambda node: None)
    base = node_factory.derive(f"base {os.getpid()}", lambda node: None)
    top = node_factory.derive(f"top {os.getpid()}", lambda node: None, base=base.state)
    for node in (old, base, top):
        node.close()
        os.utime(node.state.folder, (0, 0))
    user = node_factory(state=top.state)
    states.prune()
    assert not old.state.folder.exists()
    assert base.state.folder.exists() and top.state.folder.exists()
    user.close()
    for node in (base, top):
        states.remove(node.state)


def test_a_crash_of_its_kernel_is_told_by_its_console(node_factory):
    node = node_factory("trixie")
    assert crashes.crash(node.console()) is None
    node.popen("echo 1 > /proc/sys/kernel/sysrq; echo c > /proc/sysrq-trigger")
    deadline = time.monotonic() + 60
    while not crashes.crash(node.console()) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert "sysrq" in crashes.crash(node.console())
