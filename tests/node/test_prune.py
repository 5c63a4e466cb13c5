"""`berth prune` with a real Docker: what no container has goes, everything else stays."""

import json

import berth_host
from setups import DOCKER_KEY, install_docker

# Images of one file each, by `docker import`, which notes the time of the tag; a load does not.
_IMAGES = """\
set -e
import() { printf %s "$1" >/root/name; name=$1; shift; tar -C /root -cf - name | docker import "$@" - "$name"; }
import old:1
import two:1; docker tag two:1 other/two:2
import stopped:1
import keep:1 --change 'LABEL berth.dev/keep=yes'
import loaded:1; docker save -o /root/loaded.tar loaded:1; docker rmi loaded:1; docker load -i /root/loaded.tar
docker create --name stopped --volume data:/data stopped:1 /none
docker run --rm --network none --volume data:/data busybox:test sh -c 'echo tenant >/data/file'
sleep 2
"""

_STATE = "docker images -a --no-trunc --format '{{.Repository}}:{{.Tag}}' | sort; docker ps -aq --no-trunc | sort; " \
         "docker volume ls -q"


def images(node):
    return set(node.run("docker images --format '{{.Repository}}:{{.Tag}}'").stdout.split())


def test_only_what_is_unused_goes(node_factory, suite):
    node = node_factory.derive(DOCKER_KEY, install_docker, suite=suite)
    berth_host.put_berth(node)
    node.run(_IMAGES, timeout=600)
    before = node.run(_STATE).stdout

    dry = json.loads(node.run(["berth", "prune", "--dry-run", "--older-than", "1s", "--json"], timeout=300).stdout)
    assert sorted(name for one in dry["images"] for name in one["names"]) == ["old:1", "other/two:2", "two:1"]
    assert {name: one["reason"] for one in dry["kept"] for name in one["names"]} == {
        "busybox:test": "used", "stopped:1": "used", "keep:1": "labelled", "loaded:1": "unknown"}
    assert node.run(_STATE).stdout == before

    assert "Nothing to remove." in node.run(["berth", "prune"], timeout=300).stdout  # all of them are new
    assert node.run(_STATE).stdout == before

    node.run("sleep 2")
    said = node.run(["berth", "prune", "--older-than", "1s"], timeout=300).stdout
    assert "removed  image old:1" in said and "Freed " in said
    # The run before had noted the loaded one too, more than a second ago.
    assert images(node) == {"busybox:test", "stopped:1", "keep:1"}
    assert node.run("docker ps -aq | wc -l; docker volume ls -q").stdout.split() == ["2", "data"]
    assert node.run("docker exec tenant cat /file", timeout=120).stdout == "kept\n"
    assert node.run("docker run --rm --network none --volume data:/data busybox:test cat /data/file",
                    timeout=300).stdout == "tenant\n"


def test_by_its_timer_and_without_docker(node_factory):
    node = node_factory.derive(DOCKER_KEY, install_docker, suite="trixie")
    berth_host.put_berth(node)
    for step in ("program", "prune"):
        berth_host.install(node, "--step", step)
    assert node.run("systemd-analyze verify berth-prune.service berth-prune.timer 2>&1 | grep berth-prune",
                    check=False).stdout == ""
    assert node.run("systemctl is-active berth-prune.timer; systemctl is-enabled berth-prune.timer").stdout.split() == [
        "active", "enabled"]
    node.run("systemctl start berth-prune.service", timeout=300)
    assert "Nothing to remove." in node.run("journalctl --unit berth-prune --output cat").stdout

    node.run("systemctl stop docker.service", timeout=300)  # its socket would start it again
    refused = node.run(["berth", "prune"], check=False, timeout=300)
    assert refused.returncode == 1 and "docker is not running" in refused.stderr
    assert node.run(["systemctl", "is-active", "docker.service"], check=False).stdout.strip() == "inactive"
