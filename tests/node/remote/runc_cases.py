#!/usr/bin/python3
"""Runs in a node that berth was installed on: berth-runc with bundles, runtimes and faults of its own.

Each function case_* is one case; a result a line, as JSON. runc_container.py has what they are made of.
"""

import json
import os
import shutil
import socket
import stat
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path

from runc_container import (FIRST, LAST, POOL, RUNC, STATES, SYSBOX, TREES, WORK, Container, Failed, bound, command, conf,
                            fill, limits, need, project, refused, run, starts)

RECORDER = """#!/bin/sh
printf '%s\\n' "$#" "$@" >"$RECORD"
pwd >>"$RECORD"
printf '%s\\n' "$MARK" >>"$RECORD"
ls -l /proc/$$/fd | grep -c . >>"$RECORD"
exit "${EXIT:-0}"
"""


# ---- what goes straight through ----

def case_verbs_go_through():
    runtime, record = WORK / "runtime", WORK / "record"
    runtime.write_text(RECORDER)
    runtime.chmod(0o755)
    settings = conf(runtime=runtime)
    for argv in (["features"], ["--version"], ["state", "abc"], ["exec", "--detach", "-p", "/x", "abc", "a b", ""],
                 ["kill", "--all", "abc", "9"], ["--root", "/x", "start", "unknown"], ["run", "x"], []):
        done = run([RUNC, *argv], settings, cwd="/usr",
                   env={**os.environ, "RECORD": str(record), "MARK": "m a r k", "EXIT": "42"})
        need(done.returncode == 42, f"{argv}: {done.returncode} {done.stderr}")
        lines = record.read_text().splitlines()
        need(lines[0] == str(len(argv)) and lines[1:1 + len(argv)] == argv, f"{argv}: {lines}")
        need(lines[1 + len(argv)] == "/usr" and lines[2 + len(argv)] == "m a r k", f"{argv}: {lines}")


def case_descriptors_and_signals():
    runtime = WORK / "runtime"
    runtime.write_text("#!/bin/sh\nread -r line <&7 && echo \"$line\"\nkill -TERM $$\n")
    runtime.chmod(0o755)
    reading, writing = os.pipe()
    os.write(writing, b"through\n")
    os.dup2(reading, 7)
    done = subprocess.run(command([RUNC, "exec", "x"], conf(runtime=runtime)), capture_output=True, text=True,
                          pass_fds=(7,), timeout=60, check=False)
    for fd in (reading, writing, 7):
        os.close(fd)
    need(done.stdout == "through\n" and done.returncode == -15, f"{done}")


# ---- a start that holds ----

def case_a_start_binds_everything():
    container = Container("plain")
    starts(container)
    number = bound(container)
    need(FIRST <= number <= LAST, f"project {number}")
    starts(container)
    need(bound(container) == number, "another project at the second start")
    fill(container.inner / "a", 40 << 20)
    need(fill(container.root / "b", 40 << 20) == 28, "more than the budget was written")
    used = limits(number)[0]
    need((64 << 20) - 65536 <= used <= 64 << 20, f"stopped at {used}")
    need(run(container.argv("delete")).returncode == 0)
    need(limits(number)[1] == (68 << 20), "no start reserve")
    starts(container)
    need(limits(number)[1] == 64 << 20, "the start reserve stays")


def running(container):
    return " running=1 " in os.readlink(POOL / "sandboxes" / container.id)


def case_a_delete_that_is_refused():
    """As `delete` of one that runs, without --force: what is kept of it stays."""
    runtime = WORK / "refuses"
    runtime.write_text("#!/bin/sh\necho 'it runs' >&2\nexit 1\n")
    runtime.chmod(0o755)
    container = Container("refused-delete")
    starts(container)
    number = bound(container)
    done = run(container.argv("delete"), conf(runtime=runtime))
    need(done.returncode == 1 and done.stderr == "it runs\n", f"{done}")
    need(running(container) and limits(number)[1] == 64 << 20, "taken for gone")
    # Once the runtime has let go of it, whatever it says.
    shutil.rmtree(STATES / container.id)
    done = run(container.argv("delete"), conf(runtime=runtime))
    need(done.returncode == 1 and not running(container) and limits(number)[1] == 68 << 20, f"{done}")


def case_specials_and_odd_names():
    container = Container("specials")
    inner = container.inner
    (inner / "dir").mkdir()
    (inner / "dir/link").symlink_to("/etc/passwd")
    os.link(inner / "dir/link", inner / "same", follow_symlinks=False)
    (inner / "dangling").symlink_to("nowhere")
    os.mkfifo(inner / "dir/fifo", 0o640)
    os.mknod(inner / "dir/whiteout", stat.S_IFCHR, os.makedev(0, 0))
    os.chown(inner / "dangling", 5, 7, follow_symlinks=False)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(inner / "dir/socket"))
    for name in (b"new\nline", b"\xff\xfe", b" ", b"-rf", b"a'b\"c", b"x" * 255):
        with open(os.path.join(os.fsencode(inner / "dir"), name), "wb"):
            pass
    (inner / "dir/hard").hardlink_to(inner / "dir/-rf")
    subprocess.run(["chattr", "+i", inner / "dir/a'b\"c"], check=True)
    secret = WORK / "secret"
    secret.write_text("x")
    starts(container)
    bound(container, (inner / "dir", inner / "dir/hard"))
    need(os.readlink(inner / "dir/link") == "/etc/passwd", "the link changed")
    need(os.lstat(inner / "dir/link").st_ino == os.lstat(inner / "same").st_ino, "a link with two names became two")
    need(os.lstat(inner / "dangling").st_uid == 5 and os.lstat(inner / "dangling").st_gid == 7, "owner")
    need(stat.S_IMODE(os.lstat(inner / "dir/fifo").st_mode) == 0o640, "mode")
    need(stat.S_ISCHR(os.lstat(inner / "dir/whiteout").st_mode), "whiteout")
    need(stat.S_ISSOCK(os.lstat(inner / "dir/socket").st_mode), "socket")
    for name in ("dir/link", "dir/fifo", "dir/whiteout", "dir/socket", "dangling"):
        os.rename(inner / name, inner / (name + ".moved"))
    need(not list((POOL / "side").glob(container.id + ".*")), "something is left at the side")
    subprocess.run(["chattr", "-i", inner / "dir/a'b\"c"], check=True)


def case_a_hundred_thousand_files():
    container = Container("many")
    for folder in range(100):
        base = container.inner / f"d{folder}"
        base.mkdir()
        for number in range(1000):
            os.close(os.open(f"{base}/{number}", os.O_CREAT | os.O_WRONLY, 0o600))
    starts(container, conf(bytes_per_inode=512))
    number = bound(container, (container.inner / "d99", container.inner / "d99/999"))
    need(limits(number)[2] > 100000, "not all of them count")


def case_volumes():
    name = "0123456789abcdef" * 4
    data = POOL / "docker/volumes" / name / "_data"
    data.mkdir(parents=True)
    seen = f"/var/lib/docker/volumes/{name}/_data"
    mounts = [{"type": "bind", "source": seen, "options": ["rbind"]},
              {"type": "bind", "source": "/var/lib/docker/volumes/named/_data", "options": ["rbind"]}]
    named = POOL / "docker/volumes/named/_data"
    named.mkdir(parents=True)
    try:
        first = Container("volumes", mounts=mounts)
        starts(first)
        number = bound(first, (data,))
        need(project(named) == 0, "a named volume is in a budget")
        # --volumes-from: it stays in the budget of the one that brought it.
        second = Container("borrower", mounts=mounts)
        starts(second)
        need(project(data) == number != second.project(), "taken from its owner")
        # Its owner is gone: with the next start it is the other one's.
        (POOL / "sandboxes/volumes").unlink()
        starts(second)
        need(project(data) == second.project(), "left to nobody")
    finally:
        shutil.rmtree(data.parent)
        shutil.rmtree(named.parent)


def case_a_volume_that_is_a_mount():
    name = "fedcba9876543210" * 4
    data = Path(f"/var/lib/docker/volumes/{name}/_data")
    data.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "none", data], check=True)
    try:
        container = Container("mounted", mounts=[{"type": "bind", "source": str(data), "options": ["rbind"]}])
        (container.inner / "below").mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "none", container.inner / "below"], check=True)
        (container.inner / "below/file").write_text("x")
        try:
            starts(container)
            bound(container)
        finally:
            subprocess.run(["umount", container.inner / "below"], check=True)
    finally:
        subprocess.run(["umount", data], check=True)
        shutil.rmtree(data.parent)


# ---- a start that is refused ----

def case_bad_bundles():
    container = Container("bad")
    config = container.bundle / "config.json"
    for text, says in (("", "config.json"), ("{", "config.json"), ("{}", "root.path"), ("[1]", "root.path"),
                       ('{"root":{"path":"x"},"root":{}}', "config.json"), (" " * (5 << 20), "File too large")):
        config.write_text(text)
        refused(container, says)
    config.unlink()
    refused(container, "No such file or directory")
    config.symlink_to("/etc/passwd")
    refused(container, "symbolic link")
    config.unlink()
    config.mkdir()
    refused(container, "no regular file")
    config.rmdir()
    shutil.rmtree(container.bundle)
    refused(container, "No such file or directory")
    container.bundle.mkdir()
    state = STATES / container.id / "state.json"
    for text in ("{", '{"config":{"labels":["bundle=no"]}}', "[]"):
        state.write_text(text)
        refused(container, "state.json")


def case_wishes_that_are_none():
    for wish, says in (("lots", "write a size"), ("unlimited", "budget.allow_unlimited"), ("1K", "less than 1M")):
        container = Container("wish-" + wish, annotations={"berth.dev/disk": wish})
        refused(container, says)
        need(container.project() == 0, "half bound")
    container = Container("unlimited", annotations={"berth.dev/disk": "unlimited"})
    starts(container, conf(allow_unlimited="true"))
    need(limits(container.project())[1] > 1 << 50, "limited")
    container = Container("by-default", annotations={})
    starts(container)
    bound(container)


def case_no_pool():
    container = Container("poolless")
    empty = WORK / "empty"
    empty.mkdir()
    refused(container, "nothing is mounted on the pool", conf(pool=empty))
    refused(container, "No such file or directory", conf(pool="/nowhere"))
    image, mount = WORK / "noquota.img", WORK / "noquota"
    mount.mkdir()
    subprocess.run(["truncate", "-s", "320M", image], check=True)
    subprocess.run(["mkfs.xfs", "-q", image], check=True)
    subprocess.run(["mount", "-o", "loop,noquota", image, mount], check=True)
    try:
        refused(container, "project quotas are off", conf(pool=mount))
    finally:
        subprocess.run(["umount", mount], check=True)
    outside = Container("outside")
    outside.config["root"]["path"] = "/usr"
    (outside.bundle / "config.json").write_text(json.dumps(outside.config))
    refused(outside, "is not on the pool")


def case_a_full_disk_beneath():
    container = Container("beneath")
    sparse, full = WORK / "sparse.img", WORK / "full.img"
    subprocess.run(["truncate", "-s", "1G", sparse], check=True)
    subprocess.run(["dd", "if=/dev/zero", f"of={full}", "bs=64k", "count=1"], check=True, capture_output=True)
    refused(container, "are free on the disk beneath", conf(image=sparse, floor=1 << 50))
    starts(container, conf(image=full, floor=1 << 50))
    starts(container, conf(image=sparse, floor=0))


def in_project(name, number):
    """A container whose layer is in that project, as when an engine gave it."""
    container = Container(name)
    layer = container.root / "layer"
    (layer / "merged").mkdir(parents=True)
    subprocess.run(["xfs_io", "-c", f"chproj {number}", layer], check=True)
    container.config["root"]["path"] = str(layer / "merged")
    (container.bundle / "config.json").write_text(json.dumps(container.config))
    return container


def case_projects_of_others():
    # An engine gave an id twice.
    one, two = (in_project(name, 4000001) for name in ("one", "two"))
    starts(one)
    need(one.project() == 4000001, f"the engine's project is not adopted: {one.project()}")
    refused(two, "is in project 4000001, which is sandbox one's")
    # Its owner is gone: ids of engines are used again.
    (POOL / "sandboxes/one").unlink()
    starts(two)
    need(two.project() == 4000001, "not taken over")


def end(container):
    """As of another boot: its record stays, and it does not run."""
    record = POOL / "sandboxes" / container.id
    text = os.readlink(record).replace("running=1", "running=0")
    record.unlink()
    record.symlink_to(text)


def case_projects_of_those_that_are_gone():
    gone, heir = (in_project(name, 4000002) for name in ("gone", "heir"))
    starts(gone)
    end(gone)
    starts(heir)
    need(heir.project() == 4000002 and not os.path.lexists(POOL / "sandboxes/gone"), "a record without a project stays")
    # What the last one has in the stash would count, and its budget be set.
    gone, heir = (in_project(name, 4000003) for name in ("gone-2", "heir-2"))
    starts(gone)
    end(gone)
    stash = POOL / "stash/docker/gone-2"
    stash.mkdir(parents=True)
    (stash / "file").write_text("x")
    starts(heir)
    number = heir.project()
    need(FIRST <= number <= LAST and project(heir.root / "layer/merged") == number, f"{number}: it shares a project")
    need("project=4000003 " in os.readlink(POOL / "sandboxes/gone-2"), "the other's record is gone")
    subprocess.run(["rm", "-rf", stash], check=True)
    starts(heir)
    need(heir.project() == number, "all of it is tagged once more")


def case_no_project_left():
    narrow = {"first_project": 6000000, "last_project": 6000001}
    for name in ("last-1", "last-2"):
        starts(Container(name), conf(**narrow))
    container = Container("last-3")
    refused(container, "all 2 project ids from 6000000 to 6000001 are taken", conf(**narrow))
    need(container.project() == 0, "half bound")


def case_runtimes_that_fail():
    container = Container("runtime")
    done = run(container.argv(), conf(runtime="/nowhere/runc"))
    need(done.returncode == 1 and "run the real runtime '/nowhere/runc'" in done.stderr, done.stderr)
    done = run(container.argv(), conf(runtime="/etc/passwd"))
    need(done.returncode == 1 and "Permission denied" in done.stderr, done.stderr)
    crash = WORK / "crash"
    crash.write_text("#!/bin/sh\nkill -SEGV $$\n")
    crash.chmod(0o755)
    done = run(container.argv(), conf(runtime=crash))
    need(done.returncode == -11, f"{done.returncode}")
    bad = WORK / "bad.conf"
    bad.write_text("budget = 10G\n")
    done = run(container.argv(), bad)
    need(done.returncode == 1 and "runc.conf', line 1" in done.stderr, done.stderr)


# ---- faults on command ----

def traced(container, *inject):
    return run(["strace", "-qq", "-o", "/dev/null", "-e", "trace=all", *inject, *container.argv()])


def case_quota_calls_that_fail():
    for error in ("EPERM", "EIO", "ENOSPC", "ESRCH"):
        for call in range(1, 6):
            container = Container(f"quota-{error}-{call}".lower())
            done = traced(container, "-e", f"inject=quotactl_fd:error={error}:when={call}")
            if done.returncode == 0:
                need(call > 3, f"{error} at call {call} goes unnoticed")
                bound(container)
                continue
            need(done.returncode == 1 and done.stderr.count("\n") == 1, f"{error} {call}: {done.stderr}")
            starts(container)
            bound(container)
    for call in ("when=1", "when=2", "when=1+"):
        container = Container(f"ioctl-{call[5:].replace('+', 'x')}")
        done = traced(container, "-e", f"inject=ioctl:error=EIO:{call}")
        need(done.returncode == 1, f"ioctl {call}: {done.returncode}")
        starts(container)
        bound(container)


def with_work_for_a_start(name):
    """A container whose start has everything to do: something to tag, to make again, and to restore."""
    container = Container(name)
    (container.inner / "dir").mkdir()
    (container.inner / "dir/file").write_text("x")
    (container.inner / "dir/link").symlink_to("file")
    stash, volume = POOL / "stash/kubelet" / name, SYSBOX / "kubelet" / name
    for folder in (stash, volume):
        folder.mkdir(parents=True)
    (stash / "kept").write_text("kept")
    (stash / "too").write_text("too")
    return container, stash, volume


def case_sysbox_mgr_that_stops():
    """What leaves the stash then would be removed with its data root."""
    container, stash, volume = with_work_for_a_start("fenced")
    made = os.stat("/run/sysbox/sysmgr.sock")
    manager = (made.st_ctime_ns ^ made.st_ino << 48) & (1 << 64) - 1
    fence = Path("/run/berth/sysbox-stops")
    fence.unlink(missing_ok=True)
    fence.symlink_to(f"{manager:x}")
    refused(container, "sysbox-mgr is being stopped")
    need((stash / "kept").exists() and not (volume / "kept").exists(), "it left the stash")
    starts(Container("nothing-stashed"))
    fence.unlink()
    fence.symlink_to(f"{manager + 1:x}")  # of the one before
    starts(container)
    need((volume / "kept").exists(), "not restored")
    fence.unlink()


def case_ids_without_a_budget():
    refused(Container("x" * 200), "no budget can be kept for an id of this kind")
    starts(Container("with+plus"))


def calls_of_a_start():
    """[(name, how often so far)]: strace counts each system call by itself."""
    for _ in range(2):  # the first one makes folders that all others find there
        container, _, volume = with_work_for_a_start("counted")
        done = run(["strace", "-qq", "-o", str(WORK / "trace"), *container.argv()])
        need(done.returncode == 0, done.stderr)
        subprocess.run(["rm", "-rf", volume], check=True)
        container.remove()
    calls, counts = [], {}
    for line in (WORK / "trace").read_text().splitlines():
        name = line.split("(")[0]
        counts[name] = counts.get(name, 0) + 1
        if name == "execve" and counts[name] == 2:
            break
        calls.append((name, counts[name]))
    return calls


def finished_by_the_next(container, stash, volume, where):
    kept = [path for path in (stash, volume, POOL / "restore/kubelet" / container.id) if (path / "kept").exists()]
    need(len(kept) == 1, f"{where}: data in {kept}")
    starts(container)
    bound(container, (container.inner / "dir", container.inner / "dir/file", volume, volume / "kept"))
    need((volume / "kept").read_text() == "kept" and (volume / "too").read_text() == "too", where)
    need(os.readlink(container.inner / "dir/link") == "file", where)
    os.rename(container.inner / "dir/link", container.inner / "dir/link2")


def case_killed_between_any_two_calls():
    """And each time the next start finishes what is half done."""
    calls = calls_of_a_start()
    step = int(os.environ.get("KILL_STEP", "1"))
    need(len(calls) > 100, f"only {len(calls)} calls")
    tried, spared = calls[1::step], []
    for number, (name, count) in enumerate(tried):
        container, stash, volume = with_work_for_a_start(f"killed-{number}")
        done = traced(container, "-e", f"inject={name}:signal=KILL:when={count}")
        if done.returncode == 0:
            spared.append(f"{name} {count}")  # a start with fewer calls of that name than the counted one
        finished_by_the_next(container, stash, volume, f"{name} {count}")
        subprocess.run(["rm", "-rf", volume], check=True)
        container.remove()
    need(len(spared) * 20 <= len(tried), f"not killed at {', '.join(spared)}")
    return f"killed at {len(tried) - len(spared)} of {len(calls)} system calls"


def case_fifty_at_once():
    boxes = [Container(f"fifty-{number}") for number in range(50)]
    settings = conf()
    running = [subprocess.Popen(command(box.argv(), settings), stderr=subprocess.PIPE, text=True) for box in boxes]
    for box, process in zip(boxes, running):
        said = process.communicate(timeout=600)[1]
        need(process.returncode == 0, f"{box.id}: {said}")
    numbers = {bound(box) for box in boxes}
    need(len(numbers) == 50, f"{len(numbers)} projects for 50 sandboxes")


def case_two_for_one():
    for attempt in range(5):
        box = Container(f"twice-{attempt}")
        settings = conf()
        running = [subprocess.Popen(command(box.argv(), settings), stderr=subprocess.PIPE, text=True)
                   for _ in range(2)]
        for process in running:
            said = process.communicate(timeout=300)[1]
            need(process.returncode == 0, said)
        bound(box)


def case_a_link_swapped_in():
    """Someone with a hand on the tree while it is tagged: nothing outside of it is ever tagged."""
    outside = POOL / "docker/outside"
    outside.mkdir()
    (outside / "file").write_text("x")
    for attempt in range(6):
        box = Container(f"swap-{attempt}")
        for number in range(200):
            (box.inner / f"d{number}").mkdir()
            (box.inner / f"d{number}/file").write_text("x")
        over = threading.Event()

        def swap(inner=box.inner, over=over):
            while not over.is_set():
                for number in range(200):
                    victim, aside = inner / f"d{number}", inner / "aside"
                    try:
                        victim.rename(aside)
                        victim.symlink_to(outside)
                        victim.unlink()
                        aside.rename(victim)
                    except OSError:
                        pass

        thread = threading.Thread(target=swap)
        thread.start()
        time.sleep(0.01 * attempt)
        done = run(box.argv())
        over.set()
        thread.join()
        need(done.returncode in (0, 1), f"exit status {done.returncode}")
        need(project(outside) == 0 and project(outside / "file") == 0, "something outside was tagged")
    shutil.rmtree(outside)


# ---- heal ----

def case_heal_at_create():
    sysbox = WORK / "sysbox-runc"
    shutil.copy("/bin/true", sysbox)
    box = Container("heal")
    (box.root / "file").write_text("x")
    (box.root / "own").write_text("x")
    (box.root / "suid").write_text("x")
    os.chown(box.root, 100000, 100000)
    os.chown(box.root / "file", 100005, 100007)
    os.chown(box.root / "own", 1000, 1000)
    os.chown(box.root / "suid", 100000, 100000)
    os.chmod(box.root / "suid", 0o4755)
    subprocess.run(["setfacl", "-m", "u:100033:rw", box.root / "file"], check=shutil.which("setfacl") is not None) \
        if shutil.which("setfacl") else None

    def owners():
        return [(os.lstat(path).st_uid, os.lstat(path).st_gid) for path in
                (box.root, box.root / "file", box.root / "own", box.root / "suid")]

    # With mappings of the bundle's own, or another runtime than Sysbox's, owners are right as they are.
    before = owners()
    mapped = Container("mapped", linux={"uidMappings": [{"containerID": 0, "hostID": 100000, "size": 65536}]})
    mapped.config["root"]["path"] = str(box.root)
    (mapped.bundle / "config.json").write_text(json.dumps(mapped.config))
    need(run([RUNC, "create", "--bundle", str(mapped.bundle), "mapped"], conf(runtime=sysbox)).returncode == 0)
    need(owners() == before, "healed what was mapped")
    need(run([RUNC, "create", "--bundle", str(box.bundle), "heal"], conf()).returncode == 0)
    need(owners() == before, "healed for another runtime")
    need(run([RUNC, "create", "--bundle", str(box.bundle), "heal"], conf(runtime=sysbox)).returncode == 0)
    need(owners() == [(0, 0), (5, 7), (1000, 1000), (0, 0)], str(owners()))
    need(stat.S_IMODE(os.lstat(box.root / "suid").st_mode) == 0o4755, "mode bits")


def case_create_of_one_that_is_there():
    """The runtime refuses it, and its owners may be in use."""
    sysbox = WORK / "sysbox-runc"
    shutil.copy("/bin/true", sysbox)
    box = Container("there")
    os.chown(box.root, 100000, 100000)
    argv = [RUNC, "--root", str(STATES), "create", "--bundle", str(box.bundle), box.id]
    need(run(argv, conf(runtime=sysbox)).returncode == 0)
    need(os.lstat(box.root).st_uid == 100000, "healed beneath a container that is there")
    shutil.rmtree(STATES / box.id)
    need(run(argv, conf(runtime=sysbox)).returncode == 0)
    need(os.lstat(box.root).st_uid == 0, "not healed")


def main():
    wanted = sys.argv[1:]
    shutil.rmtree(WORK, ignore_errors=True)
    subprocess.run(["rm", "-rf", TREES], check=True)
    WORK.mkdir()
    for folder in (STATES, TREES):
        folder.mkdir(parents=True)
    for name, case in list(globals().items()):
        if not name.startswith("case_") or (wanted and name[5:] not in wanted):
            continue
        started = time.monotonic()
        try:
            told, good = case() or "", True
        except Failed as error:
            told, good = str(error), False
        except Exception:  # noqa: BLE001: whatever it is, the other cases are to run
            told, good = traceback.format_exc(), False
        print(json.dumps({"case": name[5:], "good": good, "told": told,
                          "seconds": round(time.monotonic() - started, 1)}), flush=True)


main()
