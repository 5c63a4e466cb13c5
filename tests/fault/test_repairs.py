"""What an agent's run makes of a host at work: what it repairs, and what it leaves to people."""

import json

import pytest

import scenarios

DROPIN = "/etc/systemd/system/sysbox-mgr.service.d/50-berth.conf"
PROGRAM = "/usr/local/lib/berth/berth"
REPAIR = ("converge", "--json", "--quick", "--repair")
MASKS = ("/etc/systemd/system", "/run/systemd/system")  # the second: systemctl mask --runtime


@pytest.fixture
def host(machine):
    """One that had a Docker, and was made a sandbox host."""
    scenarios.existing_docker(machine)
    done = machine.berth("install")
    assert done.code == 0, done
    machine.forget_log()
    return machine


def mask(machine, unit, folder):
    machine.path(folder).mkdir(parents=True, exist_ok=True)
    link = machine.path(f"{folder}/{unit}")
    link.symlink_to("/dev/null")
    machine.systemctl("daemon-reload")
    return link


def repair(machine):
    """(kind, target) of what was changed; "KIND TARGET: why" of what was left."""
    done = machine.berth(*REPAIR)
    assert done.code == 0, done
    events = [json.loads(line) for line in done.out.splitlines()]
    left = [f"{e['kind']} {e['target']}: {e['why']}" for e in events if e.get("event") == "left"]
    # Told again by the look at what a run has left to do, where it has made anything.
    return [(e["kind"], e["target"]) for e in events if e.get("event") == "change-end"], list(dict.fromkeys(left))


def is_active(machine, unit):
    return machine.path(f"/run/machine/active/{unit}").exists()


def verbs(machine, unit):
    """What was asked of systemd, other than a look."""
    return [line for line in machine.log() if unit in line and "show" not in line]


@pytest.mark.parametrize("folder", MASKS)
def test_masked_docker_is_left_and_the_rest_goes_on(host, folder):
    link = mask(host, "docker.service", folder)
    dropin = host.read(DROPIN)
    host.path(DROPIN).unlink()
    changed, left = repair(host)
    assert changed == [("file", DROPIN)] and host.read(DROPIN) == dropin
    assert left == ["enable docker.service: somebody has masked docker.service"]
    assert is_active(host, "docker.service"), "it was stopped and cannot come back"
    assert repair(host) == ([], left), "the second time there is nothing but that"
    link.unlink()
    host.systemctl("daemon-reload")
    assert repair(host) == ([], [])


@pytest.mark.parametrize("folder", MASKS)
def test_masked_docker_that_does_not_run(host, folder):
    host.systemctl("stop", "docker.socket", "docker.service")
    link = mask(host, "docker.service", folder)
    left = repair(host)[1]
    assert "start docker.service: somebody has masked docker.service" in left
    assert not is_active(host, "docker.service")
    link.unlink()
    host.systemctl("daemon-reload")
    assert repair(host) == ([("start", "docker.service")], [])


@pytest.mark.parametrize("part", ["sysbox-mgr.service", "sysbox-fs.service"])
def test_sysbox_is_not_started_without_one_half(host, part):
    host.systemctl("stop", "sysbox.service", "sysbox-mgr.service", "sysbox-fs.service")
    mask(host, part, MASKS[1])
    host.forget_log()
    changed, left = repair(host)
    assert left == [f"start sysbox.service: somebody has masked {part}"]
    assert ("start", "sysbox.service") not in changed
    unit = host.berth("converge", "--json", "--unit", "sysbox.service", "--repair")
    assert unit.code == 1 and f"somebody has masked {part}" in unit.out + unit.err
    assert not verbs(host, "start sysbox"), "it was tried"


@pytest.mark.parametrize("folder", MASKS)
@pytest.mark.parametrize("unit", ["docker.service", "sysbox-mgr.service"])
def test_a_person_is_told_of_a_mask_before_anything_is_changed(host, unit, folder):
    mask(host, unit, folder)
    host.path(DROPIN).unlink()
    before = host.snapshot()
    refused = host.berth("install")
    assert refused.code == 1
    said = [line for line in (refused.out + refused.err).splitlines() if "is masked" in line]
    assert len(said) == 1 and unit in said[0], refused
    assert f"systemctl unmask {unit}" in refused.out + refused.err
    assert host.snapshot() == before


def test_containerd_stopped_beneath_docker(host):
    host.systemctl("stop", "containerd.service")
    assert is_active(host, "docker.service")
    assert repair(host) == ([("start", "containerd.service")], [])
    assert is_active(host, "containerd.service") and repair(host) == ([], [])
    # It was there before berth, and goes on behind it.
    done = host.berth("uninstall")
    assert done.code == 0, done
    assert is_active(host, "containerd.service") and is_active(host, "docker.service")


def test_containerd_that_is_not_berths_to_start(host):
    host.systemctl("stop", "containerd.service")
    host.systemctl("disable", "containerd.service")
    assert repair(host) == ([], [])
    host.systemctl("enable", "containerd.service")
    link = mask(host, "containerd.service", MASKS[1])
    assert repair(host)[0] == []
    link.unlink()
    host.systemctl("daemon-reload")
    host.write("/run/docker/containerd/containerd.sock", "")
    assert repair(host) == ([], [])


def test_the_program_itself_is_removed(host):
    content = host.path(PROGRAM).read_bytes()
    host.path(PROGRAM).unlink()
    assert repair(host) == ([("copy", PROGRAM)], [])
    assert host.path(PROGRAM).read_bytes() == content
