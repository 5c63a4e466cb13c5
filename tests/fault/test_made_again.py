"""Changes that are made more than once, and what an uninstall makes of them: back to before the first time, no further."""

import hashlib
import json

import pytest

import distribution
import docker_api
import roots
import scenarios
from machine import POOL_CONFIG, sysbox_config

DAEMON_JSON = "/etc/docker/daemon.json"
MODULES = "/etc/modules-load.d/berth.conf"
MOUNT = "/etc/systemd/system/var-lib-docker.mount"
STATUS = "/var/lib/dpkg/status"
CONFIG = "/etc/berth/config.yaml"
OPERATORS = "Package: nginx\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.22.1-9\n\n"
REPAIR = ("converge", "--json", "--quick", "--repair")


def install(machine):
    done = machine.berth("install")
    assert done.code == 0, done


def uninstall(machine):
    done = machine.berth("uninstall")
    assert done.code == 0, done
    return done.out


def has(machine, package):
    blocks = machine.read(STATUS).split("\n\n")
    return any(b.startswith(f"Package: {package}\n") and "install ok installed" in b for b in blocks)


def add_nginx(machine):
    machine.write(STATUS, machine.read(STATUS).rstrip("\n") + "\n\n" + OPERATORS)


def test_packages_of_others_between_two_transactions(machine):
    """What an operator installed before an upgrade of Sysbox is not the upgrade's."""
    scenarios.bare(machine)
    install(machine)
    add_nginx(machine)
    package = distribution.sysbox_package("0.7.2-0.linux")
    roots.put(machine.root, "/srv/new.deb", package)
    machine.write(CONFIG, POOL_CONFIG + sysbox_config(package, "file:///srv/new.deb")
                  + "  version: 0.7.2\n  other_version: upgrade\n")
    install(machine)
    assert hashlib.sha256(package).hexdigest() in machine.read("/var/lib/berth/journal/records")
    uninstall(machine)
    assert has(machine, "nginx") and not has(machine, "sysbox-ce") and not has(machine, "docker.io")


def test_packages_of_others_behind_a_cut(machine, work):
    """Their record was finished by a later run: it says what came."""
    scenarios.bare(machine)
    trace = work / "points"
    machine.save(work / "before")
    assert machine.berth("install", env={"BERTH_FAULT_TRACE": str(trace)}).code == 0
    machine.load(work / "before")
    points = trace.read_text(encoding="utf-8").split()
    found = False
    for number in range(1, len(points) + 1):
        machine.load(work / "before")
        assert machine.berth("install", env={"BERTH_FAULT_AT": str(number)}).code == 137
        if has(machine, "sysbox-ce"):
            found = True
            break
    assert found
    install(machine)
    add_nginx(machine)
    uninstall(machine)
    assert has(machine, "nginx") and not has(machine, "sysbox-ce")


@pytest.mark.parametrize("make", [scenarios.existing_docker, scenarios.rpm], ids=["apt", "rpm"])
def test_settings_of_docker(machine, make):
    """Repaired once: members of both times go, and an operator's stay."""
    make(machine)
    machine.write(DAEMON_JSON, '{"debug": true}\n')
    install(machine)
    settings = json.loads(machine.read(DAEMON_JSON))
    settings["registry-mirrors"] = ["https://mirror.example.com"]
    settings["runtimes"]["sysbox-runc"]["path"] = "/usr/bin/other"
    machine.write(DAEMON_JSON, json.dumps(settings, indent=2) + "\n")
    install(machine)
    uninstall(machine)
    assert json.loads(machine.read(DAEMON_JSON)) == {"debug": True, "registry-mirrors": ["https://mirror.example.com"]}


def test_what_was_uninstalled_beneath_an_agent(machine):
    """With something left the journal stays: that is no host to repair."""
    scenarios.existing_docker(machine)
    install(machine)
    machine.write(MODULES, "# mine\n")
    assert "1 left as they are" in uninstall(machine)
    before = machine.snapshot()
    done = machine.berth(*REPAIR)
    assert done.code == 1 and "was uninstalled on this host" in done.out + done.err, done
    assert machine.snapshot() == before
    install(machine)
    assert machine.berth(*REPAIR).code == 0


def test_left_and_forgotten(machine):
    """What was left is tried and told once more, and then nothing of berth's is there."""
    scenarios.existing_docker(machine)
    install(machine)
    machine.write(MODULES, "# mine\n")
    uninstall(machine)
    said = uninstall(machine)
    assert MODULES in said and "berth has forgotten them" in said, said
    assert machine.read(MODULES) == "# mine\n" and not machine.path("/var/lib/berth").exists()


def test_left_and_undone_after_all(machine):
    """What was in the way is gone by then."""
    scenarios.existing_docker(machine)
    install(machine)
    berths = machine.read(MODULES)
    machine.write(MODULES, "# mine\n")
    uninstall(machine)
    machine.write(MODULES, berths)
    assert "Done: 1 changes undone, nothing of berth is left." in uninstall(machine)
    assert not machine.path(MODULES).exists() and not machine.path("/var/lib/berth").exists()


def test_place_of_a_repair_that_was_cut_off(machine, work):
    scenarios.existing_docker(machine)
    install(machine)

    def order():
        return [line for line in machine.berth("uninstall", "--dry-run").out.splitlines() if "undo" in line]
    before = order()
    machine.write(MOUNT, machine.read(MOUNT) + "# drift\n")
    machine.save(work / "drifted")
    for number in range(1, 60):
        machine.load(work / "drifted")
        assert machine.berth("install", env={"BERTH_FAULT_AT": str(number)}).code == 137
        if "unfinished" in machine.berth("status", "--journal").out:
            break
    install(machine)
    assert order() == before
    uninstall(machine)
    assert machine.harm() == []


def test_containers_are_started_once(machine, monkeypatch):
    """One that does not start is told, and the next run starts none that somebody has stopped."""
    bad, start = "b" * 64, docker_api.Api.start
    monkeypatch.setattr(docker_api.Api, "start", lambda self, one: 500 if one == bad else start(self, one))
    scenarios.existing_docker(machine)
    machine.write(f"/var/lib/docker/containers/{bad}/config.v2.json", "{}")
    machine.write("/run/machine/containers", f"{scenarios.CONTAINER}\n{bad}\n")
    done = machine.berth("install")
    assert done.code == 1 and f"start container {bad[:12]}" in done.err, done
    assert machine.api.running() == [scenarios.CONTAINER]
    machine.api.set_running([])
    install(machine)
    assert machine.api.running() == []


def test_docker_that_does_not_tell(machine):
    """Not stopped over containers that may be there."""
    scenarios.existing_docker(machine)
    machine.path("/run/docker.sock").unlink()
    done = machine.berth("install")
    assert done.code == 1 and "does not say which containers" in done.err, done
    assert "docker.service stop" not in "\n".join(machine.log())
