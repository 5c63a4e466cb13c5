"""A node that has Docker already, with an image, a running container and settings of its user's."""

import json

import berth_host
import budget_host
from setups import DOCKER_KEY, install_docker

# live-restore: what runs stays when dockerd stops, and would have its files moved away beneath it.
USERS_SETTINGS = '{\n\t"live-restore": true,\n\t"labels": ["team=blue"],\n\t"log-opts": {"max-size": "5m"},\n\t"registry-mirrors": []\n}\n'


def with_settings(node):
    install_docker(node)
    node.run(["tee", "/etc/docker/daemon.json"], input=USERS_SETTINGS)
    node.run("systemctl restart docker && docker start tenant", timeout=300)


def test_data_moves_in_and_back(node_factory):
    node = node_factory.derive(DOCKER_KEY + " with settings 2 " + USERS_SETTINGS, with_settings, suite="trixie")
    berth_host.put_berth(node)
    images = node.run("docker images -q --no-trunc").stdout

    plan = node.run(["berth", "plan"], check=False, timeout=300)
    assert "1 running containers, which are started again" in plan.stdout

    berth_host.configure(node, docker={"interrupt": "refuse"})
    refused = node.run(["berth", "install"], check=False, timeout=300)
    assert refused.returncode == 1 and "docker.interrupt" in refused.stderr
    assert node.run("docker ps -q | wc -l").stdout.strip() == "1"
    berth_host.configure(node)

    berth_host.install(node)
    berth_host.verify(node)
    assert node.run("docker images -q --no-trunc").stdout == images
    assert node.run("docker exec tenant cat /file", timeout=120).stdout == "kept\n"
    settings = json.loads(node.read("/etc/docker/daemon.json"))
    assert settings["labels"] == ["team=blue"] and settings["log-opts"]["max-size"] == "5m"
    assert settings["default-runtime"] == "sysbox-runc"
    assert node.run("ls -d /var/lib/docker.berth-old", check=False).returncode != 0, "old copy is still there"
    assert "Nothing to do" in berth_host.install(node).stdout

    # A sandbox that runs stops for good, a container of the host's own engine comes back.
    budget_host.start(node, "sandbox")
    budget_host.inside(node, "sandbox", "echo tenant > /file; sync")
    node.run(["berth", "uninstall"], timeout=berth_host.INSTALL_TIMEOUT)
    assert node.run("docker ps --format '{{.Names}}'", timeout=120).stdout.split() == ["tenant"]
    assert node.run("docker cp sandbox:/file - | tar -xO", timeout=120).stdout == "tenant\n"
    assert node.run(["findmnt", "/var/lib/docker"], check=False).returncode != 0
    assert node.run("docker images -q --no-trunc", timeout=300).stdout == images
    assert node.run("docker exec tenant cat /file", timeout=120).stdout == "kept\n"
    assert node.read("/etc/docker/daemon.json") in (USERS_SETTINGS, USERS_SETTINGS.encode())
