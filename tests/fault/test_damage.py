"""Faults other than a run that ends: a damaged journal, two at once, the power cut inside a package
transaction, a full disk."""

import ctypes
import fcntl
import hashlib
import json
import multiprocessing
import os
import re
import subprocess
import time

import pytest

import scenarios
import trees
from machine import Machine

RECORDS = "/var/lib/berth/journal/records"
SUM = 16


@pytest.fixture(scope="module")
def scenario(work, program):
    return scenarios.Scenario("bare", work / "damage", program)


@pytest.fixture(scope="module")
def rpm_scenario(work, program):
    return scenarios.Scenario("rhel-9", work / "rpm-damage", program)


@pytest.fixture
def installed(machine, scenario):
    machine.load(scenario.installed)
    return machine


def line_of(record):
    text = json.dumps(record, separators=(",", ":"), sort_keys=True)
    return f"{hashlib.sha256(text.encode()).hexdigest()[:SUM]} {text}\n"


def parse(line):
    return json.loads(line[SUM + 1:])


def one_line(result):
    """The one line of an error."""
    lines = result.err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("berth: "), result
    return lines[0]


# ---- the journal ----

def test_records_are_ordered_by_number_not_by_clock(installed):
    records = [parse(line) for line in installed.read(RECORDS).splitlines()]
    numbers = [record["n"] for record in records]
    assert numbers == sorted(set(numbers))
    for record in records:
        assert not re.search(r'"(time|date|clock|when)"', json.dumps({k: v for k, v in record.items() if k != "want"}))
    for record, line in zip(records, installed.read(RECORDS).splitlines()):
        assert line + "\n" == line_of(record)


def ended_behind(machine, scenario, kind):
    """Let an installation end behind the last record of that kind there is."""
    points = scenario.points["install"]
    for number in range(len(points), 0, -1):
        if points[number - 1] == "journal:synced":
            machine.load(scenario.before)
            machine.berth("install", env={"BERTH_FAULT_AT": str(number)})
            if parse(machine.read(RECORDS).splitlines()[-1]).get("type") == kind:
                return machine.read(RECORDS)
    raise AssertionError(f"no record '{kind}'")


@pytest.mark.parametrize("kind", ["begin", "done"])
def test_last_record_cut_at_every_byte(machine, scenario, kind, say):
    text = ended_behind(machine, scenario, kind)
    start = text.rstrip("\n").rfind("\n") + 1
    killed = machine.save(machine.place / "killed")
    for length in range(start, len(text)):
        machine.load(killed)
        os.truncate(machine.path(RECORDS), length)
        done = machine.berth("install")
        assert done.code == 0, f"cut at byte {length - start} of {len(text) - start}: {done}"
        assert not trees.differences(scenario.tree_installed, machine.snapshot(trees.INSTALLED)), length
    say(f"journal: record '{kind}' cut at {len(text) - start} offsets")


def test_verified_record_cut_at_every_byte(installed, scenario):
    text = installed.read(RECORDS)
    start = text.rstrip("\n").rfind("\n") + 1
    assert parse(text[start:].rstrip())["type"] == "verified"
    for length in range(start, len(text)):
        os.truncate(installed.path(RECORDS), length)
        done = installed.berth("install")
        assert done.code == 0, done
        again = installed.read(RECORDS)
        assert parse(again.splitlines()[-1])["type"] == "verified"
        installed.write(RECORDS, text, 0o600)


@pytest.mark.parametrize("command", ["install", "uninstall", "plan", "status"])
def test_flipped_byte_is_refused(installed, command):
    """In any record but the last: what berth did cannot be told from such a journal."""
    lines = installed.read(RECORDS).splitlines(keepends=True)
    step = 1 if command == "install" else 7
    for number in range(0, len(lines) - 1, step):
        line = lines[number]
        at = (number * 37) % (len(line) - 1)
        damaged = [*lines[:number], line[:at] + chr(ord(line[at]) ^ 1) + line[at + 1:], *lines[number + 1:]]
        installed.write(RECORDS, "".join(damaged), 0o600)
        before = installed.snapshot()
        result = installed.berth(command)
        assert result.code == 1
        assert f"damaged at line {number + 1}" in one_line(result)
        assert installed.snapshot() == before


@pytest.mark.parametrize("command", ["install", "uninstall", "plan", "status", "verify"])
def test_journal_of_a_newer_berth_is_refused(installed, command):
    lines = installed.read(RECORDS).splitlines(keepends=True)
    head = parse(lines[0].rstrip()) | {"journal": 99, "berth": "7.1"}
    installed.write(RECORDS, line_of(head) + "".join(lines[1:]), 0o600)
    before = installed.snapshot()
    result = installed.berth(command)
    assert result.code == 1
    assert "written by a newer berth (7.1" in one_line(result)
    assert installed.snapshot() == before


def test_change_of_an_unknown_kind_is_refused(installed):
    """A newer berth of the same journal format may know more kinds."""
    lines = installed.read(RECORDS).splitlines(keepends=True)
    number = next(n for n, line in enumerate(lines) if parse(line).get("kind") == "sysctl")
    lines[number] = line_of(parse(lines[number].rstrip()) | {"kind": "teleport"})
    installed.write(RECORDS, "".join(lines), 0o600)
    before = installed.snapshot()
    result = installed.berth("uninstall")
    assert result.code == 1 and "teleport" in one_line(result)
    assert installed.snapshot() == before


# ---- two at once ----

def test_second_one_is_told_who_is_at_work(machine):
    scenarios.bare(machine)
    machine.order("hold-apt-get")
    first = machine.popen("install")
    lock = machine.path("/run/berth/lock")
    deadline = time.monotonic() + 30
    while "install" not in (lock.read_text() if lock.exists() else ""):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    for command in ("install", "uninstall"):
        second = machine.berth(command)
        assert second.code == 75
        assert f"berth install, process {first.pid}" in one_line(second)
    assert machine.berth("install", "--wait=300ms").code == 75
    waiting = machine.popen("install", "--wait=60s")
    time.sleep(0.3)
    machine.no_orders()
    assert first.wait(60) == 0, first.communicate()
    out, err = waiting.communicate(timeout=60)
    assert waiting.returncode == 0 and "Nothing to do" in out, (out, err)
    assert f"waiting for another berth (berth install, process {first.pid})" in out


def test_lock_of_a_dead_one_is_nobodys(machine):
    scenarios.bare(machine)
    machine.write("/run/berth/lock", "berth install, process 1\n")
    assert machine.berth("install").code == 0


def test_lock_that_is_held(machine):
    scenarios.bare(machine)
    machine.write("/run/berth/lock", "berth agent, process 512\n")
    before = machine.snapshot()
    with open(machine.path("/run/berth/lock"), encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        result = machine.berth("install", "--json")
        assert result.code == 75 and "berth agent, process 512" in one_line(result)
        assert machine.berth("verify").code == 75
        for reading in ("plan", "status"):
            assert machine.berth(reading).code in (0, 2), "reading waits for nobody"
    assert machine.snapshot() == before


# ---- the power goes while packages are being installed or removed ----

def cut_at_every_moment(machine, work, scenario, command):
    """How many moments the transaction has, and what is wrong after a cut at any of them."""
    moments = scenario.moments(machine, command)
    jobs = [(command, number, name) for number, name in enumerate(moments, 1)]
    problems = scenarios.sweep(scenario, work, scenarios.run_cut_packages, jobs)
    assert not problems, f"{len(problems)} problems\n" + "\n".join(problems[:12])
    return len(moments)


@pytest.mark.parametrize("command", ["install", "uninstall"])
def test_power_cut_inside_a_package_transaction(machine, work, scenario, command, say):
    """At every state dpkg puts a package into."""
    moments = cut_at_every_moment(machine, work, scenario, command)
    say(f"{command}: the power was cut at {moments} moments of the package transaction")


@pytest.mark.parametrize("command", ["install", "uninstall"])
def test_power_cut_inside_dnf(machine, work, rpm_scenario, command, say):
    """Before, behind and between a package's files, rpm's note of it and its scriptlet."""
    moments = cut_at_every_moment(machine, work, rpm_scenario, command)
    say(f"{command}: the power was cut at {moments} moments of dnf's transaction")


# ---- disk full ----

CLONE_NEWNS = 0x00020000


def free_steps(program):
    """Bytes left free when the run begins: page by page where small files are written, and behind the
    copy of berth; a few where that and the file system's log are written."""
    behind = range(program, program + (264 << 10), 4096)
    return [0, 4096, 16 << 10, 64 << 10, program // 2, *behind, *(program + (mib << 20) for mib in (1, 8, 40, 80))]


def fill_up(place, free):
    """Leave so many bytes on the file system."""
    with open(place / "filler", "wb") as filler:
        os.posix_fallocate(filler.fileno(), 0, max(4096, os.statvfs(place).f_bavail * 4096 - free))


def packages_are_installed(name, arguments):
    return name == "dpkg" and "--no-triggers" in arguments


def pool_is_made(name, arguments):
    return name == "systemctl" and "enable" in arguments


def fill_late(machine, place, behind, free):
    """The same, when that has happened: apt and mkfs need more for a moment than what follows them."""
    def notice(name, arguments):
        if behind(name, arguments):
            machine.programs.notice = None
            fill_up(place, free)
    machine.programs.notice = notice


def sandboxes_can_run(name, arguments):
    return name == "systemctl" and "start" in arguments and "berth-stash.service" in arguments


def everywhere(machine, place):
    rounds = [(fill_up, place, free) for free in free_steps(os.path.getsize(machine.program))]
    for behind, upto in ((packages_are_installed, 32), (pool_is_made, 64)):
        rounds += [(fill_late, machine, place, behind, free) for free in range(0, upto << 10, 4096)]
    return rounds


def at_the_handler(machine, place):
    """Where the drop-in and config.toml are written."""
    return [(fill_late, machine, place, sandboxes_can_run, free) for free in range(0, 48 << 10, 4096)]


def full_disk(scenario, place, program, rounds_of, part, queue):
    """In a mount namespace of its own: a small disk, filled but for some bytes. Every second round is ours."""
    try:
        if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS):
            raise OSError(ctypes.get_errno(), "unshare")
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)
        place.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512m", "tmpfs", place], check=True)
        machine = Machine(place / "m", program)
        queue.put(try_full_disk(scenario, machine, place, rounds_of(machine, place)[part::2]))
    except BaseException as error:  # the parent shall not wait in vain
        queue.put(([], [f"the test itself failed: {error!r}"]))


def try_full_disk(scenario, machine, place, rounds):
    problems, messages = [], []
    for number, (fill, *arguments) in enumerate(rounds):
        machine.load(scenario.before)
        fill(*arguments)
        result = machine.berth("install")
        machine.programs.notice = None
        (place / "filler").unlink(missing_ok=True)
        name = f"{fill.__name__} to {arguments[-1]} bytes"
        if result.code:
            lines = result.err.splitlines()
            messages.append(lines[-1] if lines else "")
            if result.code != 1 or len(lines) != 1 or not is_about_space(lines[0]):
                problems.append(f"{name}: {result}")
        then = ("install", "uninstall")[number % 2]
        problems += [f"{name}, then {then}: {problem}" for problem in scenario.finish(machine, then, "kill")]
    return messages, problems


def is_about_space(line):
    return line.startswith("berth: ") and ("No space left on device" in line or "free" in line)


def full_disks(scenario, place, program, rounds_of):
    """The refusals, and what is wrong."""
    fork = multiprocessing.get_context("fork")
    queue = fork.Queue()
    children = [fork.Process(target=full_disk, args=(scenario, place.with_name(f"{place.name}{part}"), program,
                                                     rounds_of, part, queue)) for part in range(2)]
    for child in children:
        child.start()
    results = [queue.get(timeout=900) for _ in children]
    for child in children:
        child.join()
    return ([line for result in results for line in result[which]] for which in (0, 1))


@pytest.mark.skipif(os.geteuid() != 0, reason="a disk of a given size takes root to mount")
def test_disk_full_in_the_middle(work, program, scenario, say):
    messages, problems = full_disks(scenario, work / "full", program, everywhere)
    steps = {line.split(": ")[1] for line in messages}
    say(f"disk full: {len(messages)} runs refused, in {', '.join(sorted(steps))}")
    assert not problems, f"{len(problems)} problems\n" + "\n".join(problems[:8])
    assert {"kernel", "program", "daemon-json", "docker", "sysbox", "pool", "services"} <= steps


@pytest.mark.skipif(os.geteuid() != 0, reason="a disk of a given size takes root to mount")
def test_disk_full_at_containerds_handler(work, program, say):
    scenario = scenarios.Scenario("containerd", work / "containerd-damage", program)
    messages, problems = full_disks(scenario, work / "handler", program, at_the_handler)
    steps = {line.split(": ")[1] for line in messages}
    say(f"disk full: {len(messages)} runs refused, in {', '.join(sorted(steps))}")
    assert not problems, f"{len(problems)} problems\n" + "\n".join(problems[:8])
    assert "containerd" in steps
