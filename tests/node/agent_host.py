"""A node that an agent keeps, as a service: what it says, and how it repairs."""

import re
import time

import berth_host
import budget_host

DROPIN = "/etc/systemd/system/sysbox-mgr.service.d/50-berth.conf"
_GET = """
import sys, urllib.request, urllib.error
try:
    answer = urllib.request.urlopen("http://127.0.0.1:9477/" + sys.argv[1], timeout=30)
except urllib.error.HTTPError as error:
    answer = error
except OSError as error:
    print(0, error)
    sys.exit()
print(answer.status, answer.read().decode())
"""


def derive(node_factory):
    """One with the agent's service, a proven sandbox host."""
    node = budget_host.derive(node_factory)
    node.run(["berth", "agent", "--install-unit"], timeout=berth_host.INSTALL_TIMEOUT)
    until_ready(node)
    return node


def with_tenant(node_factory):
    """... and a sandbox "tenant"; what the agent said is printed behind the tests. For a fixture."""
    node = derive(node_factory)
    budget_host.start(node, "tenant", "--label", "berth.dev/disk=64M")
    yield node
    print(log(node)[-6000:])


def get(node, path):
    status, _, body = node.run(["python3", "-c", _GET, path], timeout=120).stdout.partition(" ")
    return int(status), body


def metrics(node):
    """{"name{labels}": value} of the last scrape, which is a second old at most."""
    body = get(node, "metrics")[1]
    lines = [line.rpartition(" ") for line in body.splitlines() if line and not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}


def fault(node, name, what="faults_total"):
    return metrics(node)[f'berth_{what}{{fault="{name}"}}']


def repaired(node, name):
    return metrics(node)[f'berth_repairs_total{{fault="{name}",result="repaired"}}']


def until(truth, seconds, what):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if truth():
            return
        time.sleep(1)
    raise AssertionError(f"not after {seconds} s: {what() if callable(what) else what}")


def until_ready(node, seconds=300):
    until(lambda: get(node, "readyz")[0] == 200, seconds, "ready")


def log(node):
    return node.run(["journalctl", "--unit", "berth-agent", "--output", "cat", "--no-pager"]).stdout


def pid_of(node, container):
    return node.run(["docker", "inspect", "--format", "{{.State.Pid}}", container], timeout=120).stdout.strip()


def break_and_repair(node, name, command, seconds=240):
    """Run a command that makes a fault; how long it was there, as the agent has it."""
    before, begun = repaired(node, name), time.monotonic()
    node.run(command, timeout=120)
    until(lambda: repaired(node, name) > before, seconds, lambda: f"{name} repaired\n" + log(node)[-3000:])
    times = re.findall(rf"msg=repaired fault={name} seconds=([\d.]+)", log(node))
    until_ready(node)
    print(f"{name}: {command}: {times[-1]} s since it was seen; ready {time.monotonic() - begun:.0f} s after the command")
    return float(times[-1])
