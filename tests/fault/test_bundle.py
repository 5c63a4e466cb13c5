"""One file with all that a machine without a network needs: made on one machine, used on another."""

import pytest

import distribution
import trees
from machine import POOL_CONFIG, Machine
from test_bad_input import refuses

UNREACHABLE = "E: Failed to fetch http://deb.debian.org/debian: Could not connect"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """Made on a machine with Docker on it, where much is there already: a bundle is for bare ones."""
    folder = tmp_path_factory.mktemp("bundle")
    machine = Machine(folder / "maker")
    machine.build("debian-12-docker")
    machine.prepare()
    before = machine.snapshot((r"/var/lib/(apt|berth)(/.*)?",))
    made = machine.berth("bundle", "create", "--output", str(folder / "bookworm.bundle"))
    assert made.code == 0, made
    assert machine.snapshot((r"/var/lib/(apt|berth)(/.*)?",)) == before
    machine.close()
    return folder / "bookworm.bundle"


@pytest.fixture
def offline(machine):
    """A bare one, whose mirror is away and whose settings name no package of Sysbox."""
    machine.build("debian-12")
    machine.write("/etc/berth/config.yaml", POOL_CONFIG)
    for path in machine.path("/var/lib/apt/lists").glob("*_Packages"):
        path.unlink()
    machine.order("apt-says", UNREACHABLE)
    machine.order("apt-fails", "update")
    for package in machine.path("/.machine/archive").iterdir():
        package.unlink()
    return machine


def test_installs_and_goes_again(offline, bundle):
    stays = trees.TRACES
    before = offline.snapshot(stays)
    assert "docker.io" in offline.berth("plan", "--bundle", str(bundle)).out
    result = offline.berth("install", "--bundle", str(bundle))
    assert result.code == 0 and "This machine is a sandbox host." in result.out, result
    assert "Nothing to do" in offline.berth("install", "--bundle", str(bundle)).out
    assert "Nothing to do" in offline.berth("install").out
    result = offline.berth("uninstall")
    assert result.code == 0, result
    assert offline.snapshot(stays) == before


def test_without_it_there_is_nothing_to_install_from(offline):
    refuses(offline, "install", spare=(r"/var/lib/berth(/cache(/.*)?)?",))


def test_verify_tells_a_whole_one(offline, bundle, tmp_path):
    assert offline.berth("bundle", "verify", str(bundle)).code == 0
    data = bundle.read_bytes()
    for name, damaged in (("short", data[:-700]), ("changed", data[:5000] + bytes([data[5000] ^ 1]) + data[5001:])):
        bad = tmp_path / f"{name}.bundle"
        bad.write_bytes(damaged)
        assert offline.berth("bundle", "verify", str(bad)).code == 1
        refuses(offline, "install", "--bundle", str(bad), says=str(bad))


def test_one_of_another_system(machine, bundle):
    machine.build("debian-13")
    machine.prepare()
    refuses(machine, "install", "--bundle", str(bundle), says="the bundle is for bookworm on amd64, this machine is trixie")


def test_it_is_made_for_its_own_system_only(machine, tmp_path):
    machine.build("debian-12")
    machine.prepare()
    for words in (["--suite", "trixie"], ["--arch", "arm64"]):
        refuses(machine, "bundle", "create", "--output", str(tmp_path / "b"), *words, says="this one is bookworm on amd64")
    assert not (tmp_path / "b").exists()


def test_a_package_that_the_archive_lacks(machine, tmp_path):
    machine.build("debian-12")
    machine.prepare()
    machine.path("/.machine/archive/xfsprogs.deb").unlink()
    result = machine.berth("bundle", "create", "--output", str(tmp_path / "b"))
    assert result.code == 1 and "Unable to locate package xfsprogs" in result.err, result
    assert not (tmp_path / "b").exists() and distribution.SYSBOX_VERSION not in str(list(machine.path("/var/lib/berth").rglob("*.deb")))
