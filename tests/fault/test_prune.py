"""`berth prune` on a machine in a folder, with Docker's API answered by docker_images.py."""

import json

import pytest

LONG_AGO = "2020-01-01T00:00:00Z"
NOTES = "/var/lib/berth/cache/prune.json"
CONFIG = "/etc/berth/config.yaml"


@pytest.fixture
def images(machine):
    machine.build("debian-12-docker")
    return machine.api.images


def test_only_what_no_container_has_goes(machine, images):
    images.add("aa", "old:1", tagged=LONG_AGO, size=3 << 20)
    images.add("bb", "stopped:1", tagged=LONG_AGO)
    images.add("cc", "base:1", tagged=LONG_AGO)
    images.add("dd", "running:1", tagged=LONG_AGO, parent="cc")
    images.add("ee", "kept:1", tagged=LONG_AGO, labels={"berth.dev/keep": "true"})
    images.add("ff", "young:1", tagged="2999-01-01T00:00:00Z")
    images.add("0a", "pulled:1")
    images.run("bb")
    images.run("dd", "running")
    images.cache.append({"ID": "x", "Size": 1 << 20, "InUse": False, "LastUsedAt": LONG_AGO})
    before = machine.snapshot()

    dry = machine.berth("prune", "--dry-run")
    assert dry.code == 0 and images.asked == [] and machine.snapshot() == before
    assert dry.out == """\
  would go image old:1 (3M)
  would go build cache, 1 record (1M)
  kept     3 images: used by a container, or by the image of one
  kept     1 image: labelled berth.dev/keep
  kept     1 image: used within 168h 00m
  kept     1 image: unused since an unknown time, counted from the first berth prune
Would free up to 4M: 1 image, 1 record of build cache.
"""
    done = machine.berth("prune")
    assert done.code == 0 and "  removed  image old:1 (3M)\n" in done.out
    assert done.out.endswith("Freed up to 4M: 1 image, 1 record of build cache.\n")
    assert list(images.images) == ["bb", "cc", "dd", "ee", "ff", "0a"]
    assert [one.split("?")[0] for one in images.asked] == ["/images/sha256:aa", "/build/prune"]

    again = machine.berth("prune")
    assert again.code == 0 and again.out.endswith("Nothing to remove.\n")


def test_a_pulled_image_goes_when_it_was_seen_unused_for_long(machine, images):
    images.add("aa", "pulled:1")
    assert machine.berth("prune").code == 0 and images.images
    machine.write(NOTES, json.dumps(dict.fromkeys(json.loads(machine.read(NOTES)), 1600000000)))
    images.run("aa")
    assert machine.berth("prune").code == 0 and images.images  # used now: what was noted ends
    images.containers.clear()
    assert machine.berth("prune").code == 0 and images.images
    machine.write(NOTES, json.dumps({"sha256:aa": 1600000000}))
    assert "removed  image pulled:1" in machine.berth("prune").out and not images.images


def test_everything_at_once_but_what_is_used(machine, images):
    images.version = "1.51"
    images.add("aa", "pulled:1", size=5 << 20)
    images.add("bb", "used:1")
    images.run("bb")
    done = machine.berth("prune", "--older-than", "0", "--json")
    value = json.loads(done.out)
    assert [(one["names"], one["outcome"]) for one in value["images"]] == [(["pulled:1"], "removed")]
    assert [(one["names"], one["reason"]) for one in value["kept"]] == [(["used:1"], "used")]
    assert (value["images_bytes"], value["exact"], value["build_cache"]) == (5 << 20, True, [])


def test_what_comes_into_use_keeps_all_its_names(machine, images):
    images.add("aa", "one:1", "two:1", tagged=LONG_AGO)

    def start():
        if images.images["aa"]["RepoTags"] == ["two:1"]:
            images.run("aa", "running")

    images.before_delete = start
    done = machine.berth("prune")
    assert done.code == 0 and "skipped  image one:1 and its other names: it came into use" in done.out
    assert sorted(images.images["aa"]["RepoTags"]) == ["one:1", "two:1"]


def test_a_stopped_docker_stays_stopped(machine, images):
    images.add("aa", "old:1", tagged=LONG_AGO)
    machine.systemctl("stop", "docker.service")
    done = machine.berth("prune")
    assert done.code == 1 and done.err.count("\n") == 1
    assert "docker is not running (docker.service is inactive), and nothing was removed" in done.err
    assert not machine.path("/run/machine/active/docker.service").exists() and images.images
    assert "error" in json.loads(machine.berth("prune", "--json").out)


def test_the_timer_does_nothing_when_it_is_switched_off(machine, images):
    images.add("aa", "old:1", tagged=LONG_AGO)
    machine.write(CONFIG, "prune:\n  enabled: false\n")
    assert machine.berth("prune", "scheduled").out == "Nothing to do: prune.enabled is false.\n"
    assert json.loads(machine.berth("prune", "scheduled", "--json").out)["images"] == []
    assert "berth-prune" not in machine.berth("plan", "--step", "prune").out and images.images
    assert "removed  image old:1" in machine.berth("prune").out
