"""sysbox-fs that hangs when it starts, as one of some thirty starts of the real one does: it comes up all the same."""

import budget_host
from agent_host import until

# The first start after each arming hangs, all others are the real program's.
HANGING = """\
#!/bin/sh
if [ "$1" = --log-level ] && [ -e /root/armed ]; then rm /root/armed; exec sleep 1000000; fi
exec /usr/bin/sysbox-fs.real "$@"
"""
UNITS = ("sysbox-mgr.service", "sysbox-fs.service", "sysbox.service")


def active(node):
    return node.run(["systemctl", "is-active", *UNITS], check=False).stdout.split() == ["active"] * len(UNITS)


def test_a_start_that_hangs(node_factory):
    node = budget_host.derive(node_factory)
    node.run("mv /usr/bin/sysbox-fs /usr/bin/sysbox-fs.real")
    node.put(HANGING.encode(), "/usr/bin/sysbox-fs", mode=0o755)
    # By hand, which systemd says has failed.
    node.run("systemctl stop sysbox && touch /root/armed")
    assert node.run("systemctl start sysbox", check=False, timeout=300).returncode != 0
    until(lambda: active(node), 120, "Sysbox does not come up by itself")
    budget_host.start(node, "after")
    # At a boot, where nobody looks.
    node.run("touch /root/armed; sync")
    node.reboot()
    until(lambda: active(node), 240, "Sysbox does not come up at a boot")
    assert node.run("test -e /root/armed", check=False).returncode == 1, "no start has hung: this proves nothing"
    budget_host.restart(node, "after")
    # Stopped by somebody, it stays so.
    node.run("docker rm -f after; systemctl stop sysbox", timeout=300)
    node.run("sleep 5")
    assert not active(node)
