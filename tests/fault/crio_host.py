"""Nodes whose settings say CRI-O, and what the tests of it ask of them."""

import subprocess
import tomllib

import distribution
import nodes
import roots
import trees
from machine import POOL_CONFIG
from test_bad_input import CACHE, refuses as refuses_but

DROP_INS = "/etc/crio/crio.conf.d"
DROP_IN = f"{DROP_INS}/50-berth.conf"
LATER = f"{DROP_INS}/99-other.conf"
SWITCH = "/etc/systemd/system/kubelet.service.d/zz-berth-crio.conf"
HANDLER = "sysbox-runc"
OURS = "/usr/local/lib/berth/berth-runc"
FLAG = "--container-runtime-endpoint="
SOCKET = "unix:///run/crio/crio.sock"
CACHES = (*CACHE, "/var/lib/apt/lists/.*", "/var/cache/(apt|dnf)(/.*)?")  # of what was downloaded before
GOOD = ["crio-kubeadm", "crio-eks-ubuntu", "crio-eks-snap", "crio-rhel", "crio-native"]


def settings(more="", engine="crio"):
    return f"engine: {engine}\n{more}{POOL_CONFIG}"


def build(machine, name="crio-native", text=None, files=None):
    """A node, with other files and settings if need be; its tree noted."""
    machine.build(name)
    rpm = roots.SYSTEMS[name].family == "rpm"
    machine.prepare(text or nodes.NODES[name].settings + POOL_CONFIG, distribution.sysbox_deb() if rpm else None)
    for path, content in (files or {}).items():
        machine.write(path, content)
    if files:
        machine.boot()
    machine.before = machine.snapshot(trees.TRACES)
    machine.forget_log()
    return machine


def run_crio(machine, drop_ins=DROP_INS):
    return subprocess.run([machine.path("/usr/bin/crio"), "--config-dir", drop_ins, "config"], text=True, check=False,
                          capture_output=True, env={"HOST_ROOT": str(machine.root), "PATH": "/usr/bin:/bin"})


def dump(machine):
    """What that machine's CRI-O would run with, less its comments: what has its default is one."""
    done = run_crio(machine)
    assert done.returncode == 0, done
    return tomllib.loads(done.stdout)["crio"]


def handlers(machine):
    return dump(machine)["runtime"]["runtimes"]


def command(machine):
    """The kubelet's words, as it was started."""
    return machine.read("/proc/712/cmdline").split("\0")[:-1]


def endpoint(machine):
    """What the kubelet goes by: its last flag."""
    return [word.removeprefix(FLAG) for word in command(machine) if word.startswith(FLAG)][-1]


def is_content(machine):
    done = machine.berth("install")
    assert done.code == 0 and "Nothing to do" in done.out, done


def installs(machine):
    """Once and for all; the handler as CRI-O has it then."""
    done = machine.berth("install")
    assert done.code == 0, done
    is_content(machine)
    found = handlers(machine)[HANDLER]
    assert found["runtime_path"] == OURS and found["monitor_cgroup"] == "pod"
    return found


def uninstalls(machine, ignore=()):
    done = machine.berth("uninstall")
    assert done.code == 0, done
    problems = trees.differences(machine.before, machine.snapshot(trees.TRACES), ignore) + machine.harm()
    problems += [f"not reloaded: {unit}" for unit in machine.stale_units()]
    assert not problems, "\n".join(problems)
    return done


def refuses(machine, *words, says):
    return refuses_but(machine, *words, says=says, spare=CACHES)


def with_handler(path, more=""):
    return f'[crio.runtime.runtimes.{HANDLER}]\nruntime_path = "{path}"\n{more}'
