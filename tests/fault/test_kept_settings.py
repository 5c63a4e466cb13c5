"""Settings that came by --config are kept on the host, for what runs there without it."""

import os
import stat

import pytest

import scenarios
import trees

KEPT = "/var/lib/berth/config.yaml"
OWN = "/etc/berth/config.yaml"
SERVICE = "/etc/systemd/system/berth-agent.service"


@pytest.fixture
def named(machine, tmp_path):
    """A bare machine whose settings are the caller's: a pod's, say."""
    scenarios.bare(machine)
    named = tmp_path / "c.yaml"
    named.write_text(machine.read(OWN) + "prune:\n  older_than: 90d\n", encoding="utf-8")
    machine.path(OWN).unlink()
    return named


def install(machine, *options):
    done = machine.berth("install", *options)
    assert done.code == 0, done
    return done.out


def shown(machine, key, *options):
    lines = machine.berth("config", "show", *options).out.splitlines()
    return next(line for line in lines if line.split(":")[0].strip() == key)


def test_it_is_a_file_of_the_installation(machine, named):
    before = machine.snapshot(trees.TRACES)
    plan = machine.berth("plan", "--config", named)
    assert KEPT in plan.out and "older_than: 90d" in plan.out
    install(machine, "--config", named)
    assert machine.read(KEPT) == named.read_text(encoding="utf-8")
    assert stat.S_IMODE(os.stat(machine.path(KEPT)).st_mode) == 0o600
    # Whatever names no settings goes by these, and leaves them.
    assert "90d" in shown(machine, "older_than") and f"{KEPT}:" in shown(machine, "older_than")
    assert "Nothing to do" in install(machine)
    assert machine.path(KEPT).exists()
    # Others come in their place.
    named.write_text(named.read_text(encoding="utf-8").replace("90d", "30d"), encoding="utf-8")
    install(machine, "--config", named)
    assert "30d" in shown(machine, "older_than")
    # An agent's do, too.
    named.write_text(named.read_text(encoding="utf-8").replace("30d", "20d"), encoding="utf-8")
    assert machine.berth("converge", "--quick", "--repair", "--config", named).code == 0
    assert "20d" in shown(machine, "older_than")
    assert machine.berth("uninstall").code == 0
    assert not trees.differences(before, machine.snapshot(trees.TRACES))
    assert "default" in shown(machine, "older_than")


def test_the_hosts_own_go_first_and_a_difference_is_said(machine, named):
    machine.write(OWN, named.read_text(encoding="utf-8").replace("90d", "10d"))
    assert "settings.two" in machine.berth("plan", "--config", named).out
    install(machine, "--config", named)
    assert "10d" in shown(machine, "older_than") and "90d" in shown(machine, "older_than", "--config", named)
    machine.write(OWN, named.read_text(encoding="utf-8"))
    assert "settings.two" not in machine.berth("plan", "--config", named).out
    machine.path(OWN).unlink()
    assert "90d" in shown(machine, "older_than")


def test_the_hosts_own_by_name_are_not_kept_twice(machine, named):
    machine.write(OWN, named.read_text(encoding="utf-8"))
    install(machine, "--config", machine.path(OWN))
    assert not machine.path(KEPT).exists()
    link = named.with_name("link.yaml")
    link.symlink_to(machine.path(OWN))
    assert "Nothing to do" in install(machine, "--config", link)


def test_cut_off_while_they_are_kept(machine, named, work):
    """Stopped at each point until they are there: the next run finishes, an uninstall undoes."""
    before = machine.snapshot(trees.TRACES)
    bare = machine.save(work / "bare")
    number, late = 0, 0
    while late < 3:
        number += 1
        machine.load(bare)
        done = machine.berth("install", "--config", named, env={"BERTH_FAULT_AT": str(number)})
        assert done.code == 137, done
        late += machine.path(KEPT).exists()
        if not late and number % 4:
            continue  # of what lies before, a few
        cut = machine.save(work / "cut")
        assert machine.berth("uninstall").code == 0
        assert not trees.differences(before, machine.snapshot(trees.TRACES)), number
        machine.load(cut)
        install(machine, "--config", named)
        assert "Nothing to do" in install(machine)
    assert number > 3


def test_the_service_keeps_settings_and_refuses_what_it_would_lose(machine, named):
    for option, value in ("--listen", "127.0.0.1:1"), ("--node", "n"), ("--log-format", "json"):
        done = machine.berth("agent", "--install-unit", option, value)
        assert done.code == 1 and f"does not keep {option}" in done.err, done
        assert not machine.path(SERVICE).exists()
    assert machine.berth("agent", "--install-unit", "--config", named).code == 0
    assert machine.path(SERVICE).exists() and "90d" in machine.read(KEPT)


def test_cut_off_while_they_are_taken_away(machine, named, work):
    """An uninstall that is cut off goes on, with these settings or without any."""
    before = machine.snapshot(trees.TRACES)
    install(machine, "--config", named)
    installed, trace = machine.save(work / "installed"), work / "points"
    assert machine.berth("uninstall", env={"BERTH_FAULT_TRACE": str(trace)}).code == 0
    number, early = len(trace.read_text(encoding="utf-8").split()) + 1, 0
    while early < 3:
        number -= 1
        machine.load(installed)
        done = machine.berth("uninstall", env={"BERTH_FAULT_AT": str(number)})
        assert done.code == 137, done
        early += machine.path(KEPT).exists()
        done = machine.berth("uninstall")
        assert done.code == 0, (number, done)
        assert not trees.differences(before, machine.snapshot(trees.TRACES)), number
