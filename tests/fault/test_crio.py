"""CRI-O as the kubelet's engine: installed, with a handler, and every byte back.

`crio config` of the machine is lib/crio.py; with a real CRI-O in the cache the two are compared. A folder runs no
kubelet and no CRI-O: that a boot comes up on what was written is simulated (lib/kubelet.py), and nothing is restarted.
"""

import functools
import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

import distribution
import kubelets
import nodes
import roots
from crio_host import (DROP_IN, DROP_INS, FLAG, GOOD, HANDLER, LATER, OURS, SOCKET, SWITCH, build, command, dump,
                       endpoint, handlers, installs, is_content, refuses, run_crio, settings, uninstalls,
                       with_handler)
from machine import POOL_CONFIG
from test_bad_input import CONFIG as SETTINGS_FILE

REGISTRIES = "/etc/containers/registries.conf.d/50-berth.conf"
CACHE_DIR = "/var/lib/berth/cache"


@pytest.fixture
def make(machine):
    return functools.partial(build, machine)


# ---- each node ----

@pytest.mark.parametrize("name", GOOD)
def test_there_and_back(make, name):
    machine = make(name)
    before = command(machine)
    found = installs(machine)
    assert found["monitor_path"] == "/usr/libexec/crio/conmon", "as the default handler has it"
    assert command(machine) == before, "a folder restarts nothing"
    uninstalls(machine)
    machine.boot()
    assert command(machine) == before


@pytest.mark.parametrize("name", GOOD)
def test_empty_folders_of_crio(make, name):
    """It makes them when it starts; where berth brought it they go with it, where it was before they stay."""
    machine = make(name)
    folders = ("/var/log/crio", "/usr/share/containers")
    before = [machine.path(path).exists() for path in folders]
    installs(machine)
    assert all(machine.path(path).exists() for path in folders)
    uninstalls(machine)
    assert [machine.path(path).exists() for path in folders] == before


@pytest.mark.parametrize("name", GOOD)
def test_a_boot_in_between(make, name):
    """The kubelet comes up on CRI-O with all its flags, is let alone there, and comes home after the uninstall."""
    machine = make(name)
    before = command(machine)
    installs(machine)
    machine.boot()
    machine.forget_log()
    if name == "crio-native":
        assert command(machine) == before
    elif name == "crio-eks-snap":
        flags = {word for word in before if not word.startswith(FLAG)}
        assert endpoint(machine) == SOCKET and flags < set(command(machine))
    else:
        assert command(machine) == [*before, FLAG + SOCKET]
    plan = machine.berth("plan")
    assert "crio" not in plan.out and "kubelet" not in plan.out, plan
    assert machine.berth("install").code == 0
    is_content(machine)
    uninstalls(machine)
    machine.boot()
    assert command(machine) == before


@pytest.mark.parametrize("name", [name for name in nodes.NODES if name.startswith("crio-") and name not in GOOD])
def test_refused(make, name):
    machine = make(name)
    for verb in ("install", "plan"):
        refuses(machine, verb, says=("crio.", "this machine cannot be a sandbox host as it is"))


def test_pods_on_the_pool(make):
    """The engine's storage that pods will have, not that of the one they leave."""
    machine = make("crio-kubeadm", settings(f"crio:\n  file: {kubelets.CRIO_DEB}\n").replace(
        "pool:\n", "pool:\n  pods: true\n"))
    before = command(machine)
    plan = machine.berth("plan")
    assert plan.code == 2 and "var-lib-containers.mount" in plan.out, plan
    assert "var-lib-containerd.mount" not in plan.out
    installs(machine)
    assert [line for line in machine.log() if "crio" in line] == ["crio started on /var/lib/berth/pool/containers"]
    assert command(machine) == before
    machine.boot()
    assert command(machine) == [*before, FLAG + SOCKET]
    assert machine.berth("uninstall").code == 0


def test_docker_beside_it(make):
    machine = make("crio-kubeadm", settings(f"crio:\n  file: {kubelets.CRIO_DEB}\n", engine="docker+crio"))
    plan = machine.berth("plan")
    assert plan.code == 2 and "/etc/docker/daemon.json" in plan.out and DROP_IN in plan.out and SWITCH in plan.out, plan


def test_engine_taken_out_of_the_settings(make):
    """What was done is undone by an uninstall whatever the settings say by then."""
    machine = make("crio-kubeadm")
    installs(machine)
    machine.prepare(POOL_CONFIG)
    uninstalls(machine, ignore=(SETTINGS_FILE,))


# ---- what the node had ----

PAUSE = {"crio-kubeadm": "registry.k8s.io/pause:3.10.1", "crio-eks-snap":
         "602401143452.dkr.ecr.us-west-2.amazonaws.com/eks/pause:3.10", "crio-eks-ubuntu":
         "602401143452.dkr.ecr.us-west-2.amazonaws.com/eks/pause:3.5"}


@pytest.mark.parametrize("name", PAUSE)
def test_pause_image(make, name):
    """Of a containerd of before 2.0 too, which is why the node takes CRI-O."""
    machine = make(name)
    installs(machine)
    assert dump(machine)["image"]["pause_image"] == PAUSE[name]


@pytest.mark.parametrize(("driver", "manager"), [("systemd", None), ("cgroupfs", "cgroupfs")])
def test_who_makes_cgroups(make, driver, manager):
    config = kubelets.KUBEADM_CONFIG.replace("cgroupDriver: systemd", f"cgroupDriver: {driver}")
    machine = make("crio-kubeadm", files={"/var/lib/kubelet/config.yaml": config})
    installs(machine)
    assert dump(machine)["runtime"].get("cgroup_manager") == manager
    assert handlers(machine)["crun"]["monitor_cgroup"] == ("pod" if manager else "system.slice")
    uninstalls(machine)


# Debian's containerd has its plugins elsewhere; a list since 2.1, one folder before.
@pytest.mark.parametrize(("name", "changes", "network"), [
    ("crio-kubeadm", {}, {}),
    ("crio-kubeadm", {"bin_dirs = ['/opt/cni/bin']": "bin_dirs = ['/usr/lib/cni', '/opt/cni/bin']"},
     {"plugin_dirs": ["/usr/lib/cni", "/opt/cni/bin"]}),
    ("crio-kubeadm", {"bin_dir = ''": "bin_dir = '/usr/lib/cni'", "bin_dirs = ['/opt/cni/bin']": "bin_dirs = []",
                      "conf_dir = '/etc/cni/net.d'": "conf_dir = '/etc/cni/mine'"},
     {"plugin_dirs": ["/usr/lib/cni"], "network_dir": "/etc/cni/mine"}),
    ("crio-eks-ubuntu", {'bin_dir = "/opt/cni/bin"': 'bin_dir = "/usr/lib/cni"'}, {"plugin_dirs": ["/usr/lib/cni"]}),
])
def test_cni_of_the_node(make, name, changes, network):
    text = (roots.DATA / name / "config.toml").read_text(encoding="utf-8")
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    machine = make(name, files={nodes.CONFIG: text})
    installs(machine)
    assert dump(machine).get("network") == network
    uninstalls(machine)


def with_mirrors(make, name, **hosts):
    """Where its containerd looks for them by its own config; each by its registry."""
    folder = "/etc/containerd/certs.d"
    config = machine_config(name)
    return make(name, files={nodes.CONFIG: config, f"{folder}/mirror.crt": "one\n",
                             **{f"{folder}/{registry}/hosts.toml": text for registry, text in hosts.items()}})


def machine_config(name):
    text = (roots.DATA / name / "config.toml").read_text(encoding="utf-8")
    return re.sub(r"(?m)^(\s*)config_path = ''$", r"\1config_path = '/etc/containerd/certs.d'", text, count=1)


MIRROR = 'server = "https://registry-1.docker.io"\n\n[host."https://mirror.example.com:5000"]\n' \
         'capabilities = ["pull", "resolve"]\n'


def test_mirrors(make):
    machine = with_mirrors(make, "crio-kubeadm", **{
        "docker.io": MIRROR + 'ca = "/etc/containerd/certs.d/mirror.crt"\n',
        "registry.k8s.io": '[host."http://10.0.0.9"]\n'})
    plan = machine.berth("plan")
    assert plan.code == 2 and "crio.mirrors" not in plan.out, plan
    installs(machine)
    found = tomllib.loads(machine.read(REGISTRIES))["registry"]
    assert [(one["prefix"], [mirror["location"] for mirror in one["mirror"]]) for one in found] == [
        ("docker.io", ["mirror.example.com:5000"]), ("registry.k8s.io", ["10.0.0.9"])]
    assert found[1]["mirror"][0]["insecure"] and "insecure" not in found[0]["mirror"][0]
    assert machine.read("/etc/containers/certs.d/mirror.example.com:5000/berth-ca.crt") == "one\n"
    uninstalls(machine)


@pytest.mark.parametrize(("registry", "text", "says"), [
    ("ghcr.io", '[host."https://mirror.example.com/v2/ghcr"]\noverride_path = true\n', "of ghcr.io"),
    ("_default", '[host."https://mirror.example.com"]\n', "of all registries"),
    ("quay.io", '[host."https://mirror.example.com"]\nclient = [["/a.cert", "/a.key"]]\n', "of quay.io"),
    ("quay.io", '[host."https://mirror.example.com"]\n  [host."https://mirror.example.com".header]\n'
                '    Authorization = "Basic YTpi"\n', "of quay.io"),
])
def test_mirror_that_crio_would_ask_otherwise(make, registry, text, says):
    machine = with_mirrors(make, "crio-kubeadm", **{registry: text})
    plan = machine.berth("plan")
    assert plan.code == 2 and "crio.mirrors" in plan.out and says in plan.out, plan
    installs(machine)
    assert not machine.path(REGISTRIES).exists()


@pytest.mark.parametrize("below", ["mirrors.'quay.io'", "configs.'quay.io'.auth"])
def test_mirrors_in_containerds_own_config(make, below):
    """As they were written before there was a config_path."""
    table = f"\n[plugins.'io.containerd.cri.v1.images'.registry.{below}]\nendpoint = ['https://mirror.example.com']\n"
    text = (roots.DATA / "crio-kubeadm" / "config.toml").read_text(encoding="utf-8")
    machine = make("crio-kubeadm", files={nodes.CONFIG: text + table})
    plan = machine.berth("plan")
    assert plan.code == 2 and "crio.mirrors" in plan.out and "the registry 'quay.io'" in plan.out, plan
    installs(machine)
    assert not machine.path(REGISTRIES).exists()


def test_mirrors_of_an_old_containerd(make):
    """Carried over with their certificate, and the other one warned of."""
    machine = make("crio-eks-ubuntu")
    plan = machine.berth("plan")
    assert "crio.mirrors" in plan.out and "of ghcr.io" in plan.out, plan
    installs(machine)
    assert "mirror.example.com:5000" in machine.read(REGISTRIES)
    assert machine.path("/etc/containers/certs.d/mirror.example.com:5000/berth-ca.crt").exists()
    uninstalls(machine)


# ---- others' files of CRI-O ----

OTHERS = {
    "an earlier drop-in": (f"{DROP_INS}/10-sysbox.conf", with_handler("/usr/bin/sysbox-runc")),
    "crio.conf": ("/etc/crio/crio.conf", with_handler("/usr/bin/sysbox-runc")),
    "a folder before": (f"{DROP_INS}/20-more/z.conf", with_handler("/usr/bin/sysbox-runc")),
}


@pytest.mark.parametrize("name", OTHERS)
def test_handler_of_that_name_before(make, name):
    """Ours takes its place, as Sysbox's installer leaves one; theirs is back in the end."""
    path, text = OTHERS[name]
    machine = make(files={path: text})
    installs(machine)
    uninstalls(machine)
    assert handlers(machine)[HANDLER]["runtime_path"] == "/usr/bin/sysbox-runc"


LATER_ONES = {
    "a drop-in": (LATER, with_handler("/opt/other-runc"), "/opt/other-runc"),
    "one without an ending": (f"{DROP_INS}/zz", with_handler("/opt/other-runc"), "/opt/other-runc"),
    "one in a folder": (f"{DROP_INS}/99-more/a.conf", with_handler("/opt/other-runc"), "/opt/other-runc"),
    # A later table takes the place of the whole of ours.
    "one with another key": (LATER, f"[crio.runtime.runtimes.{HANDLER}]\nallowed_annotations = []\n", "not by"),
}


@pytest.mark.parametrize("name", LATER_ONES)
def test_handler_of_that_name_later(make, name):
    """It would be the one that counts: refused before anything changes."""
    path, text, says = LATER_ONES[name]
    machine = make(files={path: text})
    line = refuses(machine, "install", says=(f"the handler '{HANDLER}'", says, DROP_INS))
    assert "''" not in line and CACHE_DIR not in line, line


@pytest.mark.parametrize("name", LATER_ONES)
def test_handler_of_that_name_later_on_a_host(make, name):
    """The same where all else is there already."""
    path, text, says = LATER_ONES[name]
    machine = make()
    installs(machine)
    machine.write(DROP_IN, "# mine\n")
    machine.write(path, text)
    line = refuses(machine, "install", says=(f"the handler '{HANDLER}'", says, DROP_INS))
    assert "''" not in line and CACHE_DIR not in line, line


BROKEN = {
    "no table": (LATER, "[crio.runtime\n", "line 1"),
    "no value": (LATER, "[crio.runtime]\ntimezone =\n", "line 2"),
    "another type": (LATER, "[crio.runtime]\npids_limit = 5\ncgroup_manager = 5\n", "incompatible types"),
    "a page": (f"{DROP_INS}/20-wiki.html", "<html>\n", "line 1"),
    "in crio.conf": ("/etc/crio/crio.conf", "[crio.runtime]\ntimezone = \"\n", "line 2"),
    "a runtime that is not there": (LATER, '[crio.runtime]\ndefault_runtime = "kata"\n', "kata"),
}


@pytest.mark.parametrize("first", [True, False], ids=["new", "host"])
@pytest.mark.parametrize("name", BROKEN)
def test_file_that_crio_does_not_read(make, name, first):
    """CRI-O runs with what it read before, and a restart would end that: the file is named, and what is wrong there."""
    path, text, says = BROKEN[name]
    machine = make()
    if not first:
        installs(machine)
        machine.write(DROP_IN, "# mine\n")
    machine.write(path, text)
    line = refuses(machine, "install", says=("CRI-O", says))
    assert CACHE_DIR not in line and (path in line or name.startswith("a runtime")), line


def test_link_to_nowhere_among_the_drop_ins(make):
    machine = make()
    machine.path(LATER).symlink_to("/nowhere.conf")
    refuses(machine, "install", says=("CRI-O", LATER))


def test_crio_refuses_the_drop_in(make):
    machine = make()
    installs(machine)
    machine.write(DROP_IN, "# mine\n")
    machine.order("crio-refuses", "validating runtime config: monitor fields translation: it does not like that")
    line = refuses(machine, "install", says=("CRI-O", "monitor fields translation: it does not like that"))
    assert "level=" not in line, line
    machine.no_orders()
    installs(machine)


def test_storage_options_of_the_node(make):
    """They are of all its pods, and stay what they are."""
    machine = make(files={"/etc/crio/crio.conf": '[crio]\nstorage_option = ["overlay.mountopt=nodev,metacopy=on"]\n'})
    before = dump(machine)["storage_option"]
    installs(machine)
    assert dump(machine)["storage_option"] == before != []


# ---- ours edited ----

def test_drop_in_edited(make):
    """Left and said so."""
    machine = make()
    installs(machine)
    text = machine.read(DROP_IN) + "# mine\n"
    machine.write(DROP_IN, text)
    done = machine.berth("uninstall")
    assert done.code == 0 and f"'{DROP_IN}' was changed since berth wrote it: left as it is" in done.out, done
    assert machine.read(DROP_IN) == text


def test_drop_in_edited_and_put_right(make):
    machine = make()
    installs(machine)
    text = machine.read(DROP_IN)
    machine.write(DROP_IN, text.replace(OURS, "/usr/bin/runc"))
    plan = machine.berth("plan")
    assert plan.code == 2 and '-runtime_path = "/usr/bin/runc"' in plan.out, plan
    installs(machine)
    assert machine.read(DROP_IN) == text
    uninstalls(machine)


@pytest.mark.parametrize("name", ["crio-native", "crio-kubeadm"])
def test_drop_in_taken_away(make, name):
    machine = make(name)
    installs(machine)
    machine.path(DROP_IN).unlink()
    assert machine.berth("plan").code == 2
    uninstalls(machine)


def test_monitor_of_the_node_changed(make):
    """The drop-in follows."""
    machine = make()
    installs(machine)
    machine.write(LATER, '[crio.runtime]\nconmon = "/usr/bin/conmon"\n')
    assert installs(machine)["monitor_path"] == "/usr/bin/conmon"
    machine.path(LATER).unlink()
    installs(machine)
    uninstalls(machine)


# ---- the simulation ----

def real_crio():
    cache = Path(os.environ.get("BERTH_CACHE", Path.home() / ".cache/berth"))
    return next(iter(sorted(cache.glob("kube/crio-*/crio"))), None)


COMPARED = {
    "nothing": {},
    "the package's": {"10-crio.conf": distribution.CRIO_CONF},
    "ours": {"10-crio.conf": distribution.CRIO_CONF, "50-berth.conf": with_handler(OURS, 'monitor_cgroup = "pod"\n')},
    "a later table takes the place of an earlier one": {
        "10.conf": with_handler("/a", 'monitor_path = "/m"\nmonitor_env = ["A=1"]\n'),
        "20.conf": f"[crio.runtime.runtimes.{HANDLER}]\nruntime_root = \"/run/x\"\n"},
    "lists are the later one's, and storage options add up": {
        "10.conf": '[crio]\nstorage_option = ["a=1", "b=2"]\n[crio.runtime]\ndefault_env = ["A=1"]\n',
        "20.conf": '[crio]\nstorage_option = ["b=2", "c=3"]\n[crio.runtime]\ndefault_env = ["B=1"]\n'},
    "names": {".hidden": '[crio.runtime]\nlog_level = "debug"\n', "15.conf~": '[crio.runtime]\ntimezone = "local"\n',
              "20-more/z": '[crio.runtime]\nlog_level = "warn"\n', "20-more.d/a/b": with_handler("/deep")},
    "old keys": {"10.conf": '[crio.runtime]\nconmon = "/c"\nconmon_cgroup = "pod"\ncgroup_manager = "cgroupfs"\n',
                 "20.conf": with_handler("/a", 'runtime_type = "vm"\n')},
    "unknown keys": {"10.conf": "[crio.runtime]\nfoo = 1\n[other]\nbar = 2\n"},
    "a runtime that is not there": {"10.conf": with_handler("/nowhere/runc")},
    "no default": {"10.conf": '[crio.runtime]\ndefault_runtime = "kata"\n'},
    "no table": {"10.conf": "[crio.runtime\n"},
    "no value": {"10.conf": "[crio.runtime]\ntimezone =\n"},
    "another type": {"10.conf": "[crio.runtime]\npids_limit = 5\ncgroup_manager = 5\n"},
    "another type of a handler's": {"10.conf": f"[crio.runtime.runtimes.{HANDLER}]\nruntime_path = 1\n"},
    "twice": {"10.conf": '[crio.runtime]\ntimezone = ""\ntimezone = ""\n'},
}
# Keys that the simulation has, and no others of the real one.
TOP = ("root", "runroot", "storage_driver", "storage_option")
OF_HANDLER = ("runtime_path", "runtime_type", "runtime_root", "monitor_path", "monitor_cgroup", "monitor_env",
              "allowed_annotations")


def seen(done):
    """What berth looks at: comments are values too, and of what is refused which file that is."""
    if done.returncode:
        place = re.search(r"unable to decode configuration \S*/(\S+): toml: line \d+", done.stderr)
        return place[1] if place else re.search(r"msg=(.*)", done.stderr.splitlines()[-1])[1]
    plain = "\n".join(line.lstrip("# ") for line in done.stdout.splitlines()
                      if re.match(r'#? ?(\[crio[^\]]*\]|\w+ = .*|\t".*",|\])$', line) and "runtime-handler" not in line)
    example = plain.index("\n", plain.index("default_runtime ="))  # the example's keys come next
    first = plain.index("[crio.runtime.runtimes.", example)
    found = tomllib.loads(plain[:example] + "\n" + plain[first:])["crio"]
    runtime = found["runtime"]
    # Keys that come behind the last handler's are in its table, of both.
    own = {name: {key: handler.get(key) for key in OF_HANDLER} for name, handler in runtime["runtimes"].items()}
    return ({key: found[key] for key in TOP}, own, found["image"].get("pause_image"),
            {key: runtime[key] for key in ("cgroup_manager", "default_runtime", "conmon", "conmon_cgroup",
                                           "default_env", "log_level")})


@pytest.mark.skipif(not real_crio(), reason="no CRI-O in the cache: tests/kube builds it")
@pytest.mark.parametrize("name", COMPARED)
def test_dump_is_as_the_real_one(make, name):
    machine = make()
    folder = "/srv/drop-ins"
    machine.path(folder).mkdir()
    for path, text in COMPARED[name].items():
        machine.write(f"{folder}/{path}", text)
    ours = run_crio(machine, folder)
    theirs = subprocess.run([real_crio(), "--config", "", "--config-dir", machine.path(folder), "config"], text=True,
                            capture_output=True, check=False)
    assert seen(ours) == seen(theirs), (ours.stderr, theirs.stderr)


@pytest.mark.skipif(not real_crio(), reason="no CRI-O in the cache: tests/kube builds it")
def test_version_is_as_the_real_one(make):
    machine = make()
    first = [subprocess.run([program, "--version"], text=True, capture_output=True, check=True, env={
        "HOST_ROOT": str(machine.root), "PATH": "/usr/bin:/bin"}).stdout.splitlines()[0]
             for program in (machine.path("/usr/bin/crio"), real_crio())]
    assert re.fullmatch(r"crio version \d+\.\d+\.\d+", first[0]) and first[0] == first[1]
