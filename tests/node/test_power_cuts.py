"""The power goes at random moments of an installation; the next run finishes the job."""

import os
import random
import time

import pytest

import berth_host

CUTS = 20 if os.environ.get("SOAK") == "1" else 3
SEED = int(os.environ.get("SEED", random.SystemRandom().randrange(1 << 32)))


@pytest.mark.parametrize("number", range(CUTS))
def test_cut_then_converge(node_factory, number):
    chance = random.Random(SEED + number)
    suite = ("bookworm", "trixie")[number % 2]
    node = node_factory(suite)
    berth_host.put_berth(node)
    before = berth_host.snapshot(node)
    wait = chance.uniform(2, 200 if not node.accelerated else 40)
    print(f"SEED={SEED} cut {number} on {suite} after {wait:.1f} s")

    process = node.popen(["berth", "install"])
    time.sleep(wait)
    node.power_cut()
    process.wait(timeout=60)
    node.boot()
    node.settle()

    if chance.random() < 0.3:
        node.run(["berth", "uninstall"], timeout=berth_host.INSTALL_TIMEOUT)
        assert berth_host.differences(before, berth_host.snapshot(node)) == []
        return
    done = berth_host.install(node)  # which proves it by itself
    assert "This machine is a sandbox host." in done.stdout or "Nothing to do" in done.stdout
    assert "Nothing to do" in berth_host.install(node).stdout
