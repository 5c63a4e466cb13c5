"""The node's own containerd: a handler by a drop-in that is really read, and every byte back.

`containerd config dump` of the machine is lib/containerd.py; with a real containerd in the cache the two are compared.
"""

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

import distribution
import nodes
import roots
import trees
from machine import POOL_CONFIG
from test_bad_input import CACHE, CONFIG as SETTINGS_FILE, refuses as refuses_but

DROP_IN = "/etc/containerd/conf.d/50-berth.toml"
PATTERN = "/etc/containerd/conf.d/*.toml"
HANDLER = "sysbox-runc"
OURS = "/usr/local/lib/berth/berth-runc"
CACHES = (*CACHE, "/var/lib/apt/lists/.*", "/var/cache/(apt|dnf)(/.*)?")  # of what was downloaded before
SETTINGS = nodes.SETTINGS + POOL_CONFIG
# Two plugins' names for the same settings.
CRI_2, CRI_3, IMAGES = "io.containerd.grpc.v1.cri", "io.containerd.cri.v1.runtime", "io.containerd.cri.v1.images"
GOOD = [name for name in nodes.NODES if not name.startswith(("containerd-", "crio-"))]


def of_data(name):
    return (roots.DATA / name / "config.toml").read_text(encoding="utf-8")


def version_of(number):
    return nodes.UPSTREAM.format(number, nodes.COMMIT)


@pytest.fixture
def make(machine):
    """A stock node with that config.toml (None: none), its tree noted."""

    def making(config=None, version="2.2.2", settings=SETTINGS, name="kubeadm", files=None):
        machine.build(name)
        machine.prepare(settings)
        machine.write("/.machine/containerd-version", version_of(version))
        if config is not None:
            roots.put(machine.root, nodes.CONFIG, config)
        for path, text in (files or {}).items():
            machine.write(path, text)
        machine.before = machine.snapshot(trees.TRACES)
        return machine

    return making


def dump(machine, config=nodes.CONFIG, program="/usr/local/bin/containerd"):
    """What that machine's containerd would run with."""
    done = subprocess.run([machine.path(program), "--config", config, "config", "dump"], text=True, check=True,
                          capture_output=True, env={"HOST_ROOT": str(machine.root), "PATH": "/usr/bin:/bin"})
    return tomllib.loads(done.stdout)


def handler(machine, **where):
    return dump(machine, **where)["plugins"][CRI_3]["containerd"]["runtimes"][HANDLER]


def installs(machine, **where):
    """Once and for all; the handler as containerd has it then."""
    done = machine.berth("install")
    assert done.code == 0, done
    again = machine.berth("install")
    assert again.code == 0 and "Nothing to do" in again.out, again
    found = handler(machine, **where)
    assert found["options"]["BinaryName"] == OURS
    assert "berth.dev/*" in found["pod_annotations"] and "berth.dev/*" in found["container_annotations"]
    return found


def uninstalls(machine, ignore=()):
    done = machine.berth("uninstall")
    assert done.code == 0, done
    problems = trees.differences(machine.before, machine.snapshot(trees.TRACES), ignore) + machine.harm()
    assert not problems, "\n".join(problems)
    return done


def refuses(machine, *words, says):
    return refuses_but(machine, *words, says=says, spare=CACHES)


def with_handler(binary, version=3):
    plugin = CRI_2 if version == 2 else CRI_3
    return (f"version = {version}\n\n[plugins.'{plugin}'.containerd.runtimes.{HANDLER}]\n"
            f"runtime_type = 'io.containerd.runc.v2'\n\n[plugins.'{plugin}'.containerd.runtimes.{HANDLER}.options]\n"
            f"BinaryName = '{binary}'\n")


# ---- each distribution ----

@pytest.mark.parametrize("name", GOOD)
def test_there_and_back(machine, name):
    node = nodes.NODES[name]
    machine.build(name)
    rpm = roots.SYSTEMS[name].family == "rpm"
    machine.prepare(SETTINGS, distribution.sysbox_deb() if rpm else None)
    machine.before = machine.snapshot(trees.TRACES)
    before = machine.read(node.config) if machine.path(node.config).exists() else None
    systemd_cgroup = before is not None and "SystemdCgroup = true" in before
    found = installs(machine, config=node.config, program=node.program)
    assert found["options"]["SystemdCgroup"] == systemd_cgroup, "as the default handler has it"
    uninstalls(machine)
    assert (machine.read(node.config) if before is not None else None) == before


@pytest.mark.parametrize("name", ["k3s", "rke2", "k0s"])
def test_generated_config_that_imports_nothing(machine, name):
    """k3s and RKE2 of before v1.35.2, a k0s whose config.toml is the user's own: the drop-in would never be read."""
    node = nodes.NODES[name]
    machine.build(name)
    machine.prepare(SETTINGS)
    machine.write(node.config, re.sub("imports = .*\n", "", machine.read(node.config)))
    refuses(machine, "install", says=("containerd", node.config, "import"))


def test_generated_config_that_is_not_there_yet(machine):
    """k3s before its first start."""
    machine.build("k3s")
    machine.prepare(SETTINGS)
    machine.path(nodes.K3S_CONFIG).unlink()
    plan = machine.berth("plan")
    assert "(null)" not in plan.out, plan.out[plan.out.index("(null)") - 200:][:300]
    machine.berth("install")
    assert not machine.path(nodes.K3S_CONFIG).exists() or "(null)" not in machine.read(nodes.K3S_CONFIG)


# ---- every form of a config.toml ----

TEXTS = {
    "version 2": ("2.2.2", of_data("gke-ubuntu")),
    "version 3": ("2.2.2", of_data("eks-al2023")),
    "version 4": ("2.3.0", "version = 4\n[plugins.'io.containerd.cri.v1.runtime']\nenable_selinux = true\n"),
    "version 3, newer containerd": ("2.3.0", "version = 3\n[grpc]\ngid = 1\n"),
    "version 2, newer containerd": ("2.3.0", of_data("gke-ubuntu")),
    "oldest": ("2.0.5", "version = 2\n"),
    "only a version": ("2.2.2", "version = 3"),
    "empty": ("2.2.2", ""),
    "only comments": ("2.2.2", "# nothing\n\n"),
    "no version": ("2.2.2", "root = '/data'\n[grpc]\ngid = 1\n"),
    "imports nothing": ("2.2.2", "version = 3\nimports = []\n"),
    "imports another folder's files": ("2.2.2", "version = 2\nimports = [\"/etc/containerd/certs/a.toml\"]\n"),
    "imports on many lines": ("2.2.2", "version = 2\nimports = [\n  '/etc/a.toml', # mine\n  \"/etc/b.toml\",\n]\n"
                              "root = '/data'\n"),
    "imports in one line with a comma at its end": ("2.2.2", "imports = ['/etc/a.toml',]   # mine\nversion = 3\n"),
    "imports before version": ("2.2.2", "imports = [ ]\nversion = 2\n\n[plugins]\n"),
    "quoted keys": ("2.2.2", '"version" = 2\n"imports" = ["/etc/a.toml"]\n'),
    "dotted keys": ("2.2.2", 'version = 3\nplugins."io.containerd.cri.v1.runtime".enable_selinux = true\n'
                    "grpc . gid = 1\n'debug'.\"level\" = 'info'\n"),
    "strings with brackets": ("2.2.2", "version = 3\nroot = '[not a table]'\nstate = \"\"\"\nimports = []\n\"\"\"\n"),
    "tables only": ("2.2.2", "[grpc]\ngid = 1\n"),
    "a comment behind the version": ("2.2.2", "version = 3 # as of 2.0\n[grpc]\n"),
    "lines ended by both": ("2.2.2", "version = 3\r\nroot = '/data'\r\n\r\n[grpc]\r\ngid = 1\r\n"),
    "blanks everywhere": ("2.2.2", "  version   =   3  \n\t[grpc]\n"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_config(make, name):
    version, text = TEXTS[name]
    machine = make(text.encode(), version)
    for path in re.findall(r"['\"](/etc/[^*'\"]*\.toml)", text):
        machine.write(path, "oom_score = 1\n")
    machine.before = machine.snapshot(trees.TRACES)
    parsed = tomllib.loads(text)
    installs(machine)
    now = tomllib.loads(machine.path(nodes.CONFIG).read_bytes().decode())
    assert now.pop("imports") == [*parsed.pop("imports", []), PATTERN]
    assert now == parsed
    uninstalls(machine)
    assert machine.path(nodes.CONFIG).read_bytes() == text.encode()


@pytest.mark.parametrize("pattern", [PATTERN, "conf.d/*.toml", "conf.d/50-*.toml", "/etc/containerd/*.d/*",
                                     "/etc/containerd/*/*.toml"])
def test_config_that_imports_it_already(make, pattern):
    """Nothing is written into it."""
    text = f"imports = ['{pattern}']\nversion = 2\n"
    machine = make(text)
    installs(machine)
    assert machine.read(nodes.CONFIG) == text
    assert machine.path(DROP_IN).exists()
    uninstalls(machine)


def test_import_of_many_folders(make):
    """None of them is one to write into."""
    machine = make("version = 3\nimports = ['/srv/*/*.toml']\n", files={"/srv/a/x.toml": "oom_score = 1\n"})
    installs(machine)
    assert not machine.path("/srv/*").exists() and machine.path(DROP_IN).exists()
    uninstalls(machine)


def test_folder_of_an_import(make):
    """Where config.toml imports a folder of its own, the drop-in goes there."""
    machine = make("version = 3\nimports = ['/etc/x.toml', '/srv/containerd/*.toml']\n", files={"/etc/x.toml": ""})
    installs(machine)
    assert machine.path("/srv/containerd/50-berth.toml").exists() and not machine.path(DROP_IN).exists()
    uninstalls(machine)


def test_mode_and_owner_of_the_config_stay(make):
    machine = make("version = 3\n")
    machine.path(nodes.CONFIG).chmod(0o600)
    if os.geteuid() == 0:
        os.chown(machine.path(nodes.CONFIG), 12, 34)
    machine.before = machine.snapshot(trees.TRACES)
    installs(machine)
    found = machine.path(nodes.CONFIG).stat()
    assert found.st_mode & 0o777 == 0o600 and (os.geteuid() or (found.st_uid, found.st_gid) == (12, 34))
    assert machine.path(DROP_IN).stat().st_mode & 0o777 == 0o644
    uninstalls(machine)


# ---- another's edits ----

EDITS = {
    "a table": (lambda text: text + "\n[metrics]\naddress = '127.0.0.1:1338'\n",
                "version = 3\nroot = '/data'\n\n[metrics]\naddress = '127.0.0.1:1338'\n"),
    "a key above": (lambda text: "oom_score = -999\n" + text, "oom_score = -999\nversion = 3\nroot = '/data'\n"),
    "another import": (lambda text: text.replace("toml']", "toml', '/etc/mine.toml']"),
                       "version = 3\nimports = ['/etc/mine.toml']\nroot = '/data'\n"),
    "another import before": (lambda text: text.replace("imports = [", "imports = ['/etc/mine.toml', "),
                              "version = 3\nimports = ['/etc/mine.toml']\nroot = '/data'\n"),
    "a comment": (lambda text: text.replace("]\n", "]  # see the wiki\n"),
                  "version = 3\nimports = []  # see the wiki\nroot = '/data'\n"),
    "ours taken out": (lambda _: "version = 3\nroot = '/data'\n", "version = 3\nroot = '/data'\n"),
    "the file taken away": (None, None),
}


@pytest.mark.parametrize("name", EDITS)
def test_edited_in_between(make, name):
    """Other edits stay, our import goes."""
    edit, left = EDITS[name]
    machine = make("version = 3\nroot = '/data'\n", files={"/etc/mine.toml": ""})
    installs(machine)
    if edit:
        machine.write(nodes.CONFIG, edit(machine.read(nodes.CONFIG)))
    else:
        machine.path(nodes.CONFIG).unlink()
    assert machine.berth("uninstall").code == 0
    now = machine.read(nodes.CONFIG) if machine.path(nodes.CONFIG).exists() else None
    assert now == left
    problems = trees.differences(machine.before, machine.snapshot(trees.TRACES), (nodes.CONFIG,))
    assert not problems, "\n".join(problems)


def test_config_that_berth_made_and_another_edited(make):
    """No config.toml before: it stays with what was written into it since."""
    machine = make(name="kubeadm-no-config")
    installs(machine)
    machine.write(nodes.CONFIG, machine.read(nodes.CONFIG) + "[debug]\nlevel = 'debug'\n")
    uninstalls(machine, ignore=(nodes.CONFIG, "/etc/containerd"))
    assert machine.read(nodes.CONFIG) == "version = 3\n[debug]\nlevel = 'debug'\n"


def test_drop_in_edited(make):
    """Left and said so, and it is still read."""
    machine = make("version = 3\n")
    installs(machine)
    text = machine.read(DROP_IN) + "# mine\n"
    machine.write(DROP_IN, text)
    done = machine.berth("uninstall")
    assert f"'{DROP_IN}' was changed since berth wrote it: left as it is" in done.out, done
    assert machine.read(DROP_IN) == text and PATTERN in machine.read(nodes.CONFIG)


def test_drop_in_edited_and_put_right(make):
    machine = make("version = 3\n")
    installs(machine)
    text = machine.read(DROP_IN)
    machine.write(DROP_IN, text.replace(OURS, "/usr/bin/runc"))
    plan = machine.berth("plan")
    assert plan.code == 2 and "-BinaryName = '/usr/bin/runc'" in plan.out, plan
    installs(machine)
    assert machine.read(DROP_IN) == text


@pytest.mark.parametrize("lost", ["import", "drop-in", "both"])
def test_lost_and_put_right(make, lost):
    """As nodeadm does it to config.toml at every boot."""
    machine = make(of_data("eks-al2023"))
    installs(machine)
    if lost != "drop-in":
        machine.write(nodes.CONFIG, of_data("eks-al2023"))
    if lost != "import":
        machine.path(DROP_IN).unlink()
    assert machine.berth("plan").code == 2
    installs(machine)
    uninstalls(machine)


def test_drop_in_taken_away(make):
    """The rest goes all the same, with the folders that berth made."""
    machine = make("version = 3\n")
    installs(machine)
    machine.path(DROP_IN).unlink()
    uninstalls(machine)


def test_cgroups_of_the_node_changed(make):
    """The drop-in follows, and all of it can be taken away after that."""
    machine = make(of_data("gke-ubuntu").replace("SystemdCgroup = true", "SystemdCgroup = false"))
    assert installs(machine)["options"]["SystemdCgroup"] is False
    machine.write(nodes.CONFIG, machine.read(nodes.CONFIG).replace("SystemdCgroup = false", "SystemdCgroup = true"))
    assert installs(machine)["options"]["SystemdCgroup"] is True
    uninstalls(machine, ignore=(nodes.CONFIG,))
    assert machine.read(nodes.CONFIG) == of_data("gke-ubuntu")


def test_another_drop_in_in_our_folder(make):
    """Its import is another's by now."""
    machine = make("version = 3\n")
    installs(machine)
    machine.write("/etc/containerd/conf.d/20-mine.toml", "version = 3\noom_score = -5\n")
    assert machine.berth("uninstall").code == 0
    assert dump(machine)["oom_score"] == -5


# ---- a handler of that name that is there ----

@pytest.mark.parametrize("version", [2, 3])
def test_handler_in_the_config(make, version):
    """Ours is read after it; theirs is back in the end."""
    text = with_handler("/usr/bin/sysbox-runc", version)
    machine = make(text)
    plan = machine.berth("plan")
    assert plan.code == 2 and not re.search("(?m)^ *(fail|warn) ", plan.out), plan
    installs(machine)
    uninstalls(machine)
    assert machine.read(nodes.CONFIG) == text
    assert handler(machine)["options"]["BinaryName"] == "/usr/bin/sysbox-runc"


LATER = "/etc/containerd/conf.d/99-x.toml"


@pytest.mark.parametrize("imports", [True, False])
def test_handler_in_a_later_drop_in(make, imports):
    """Refused with nothing changed, but where nothing reads it before we would."""
    text = f"version = 3\n{f'imports = {[PATTERN]}' if imports else ''}\n"
    machine = make(text, files={LATER: with_handler("/opt/other-runc")})
    refuses(machine, "install", says=(f"the handler '{HANDLER}'", "/opt/other-runc", "another file"))


def test_handler_in_an_earlier_drop_in(make):
    """As an installer of Sysbox leaves it."""
    earlier = "/etc/containerd/conf.d/10-sysbox.toml"
    machine = make(f"version = 3\nimports = ['{PATTERN}']\n", files={earlier: with_handler("/usr/bin/sysbox-runc")})
    installs(machine)
    uninstalls(machine)


# ---- containerd does not agree ----

def test_containerd_refuses_the_drop_in(make):
    machine = make("version = 3\n")
    machine.order("containerd-refuses", "toml: cannot decode TOML boolean into struct field config.Runtime.Type")
    line = refuses(machine, "install", says=("containerd", "cannot decode TOML boolean"))
    assert "level=warning" not in line
    machine.no_orders()
    installs(machine)


@pytest.mark.parametrize(("text", "says"), [
    ("version = 3\n[plugins\n", "config.toml"),
    ("version = 3\n[grpc]\ngid = \n", "config.toml"),
    ("version = 5\n", "version equal to or less than `3`, got `5`"),
    ("version = '3'\n", "version is no number"),
    ("version = 3\nimports = '/etc/x.toml'\n", "imports is no list"),
    ("version = 3\nimports = [1]\n", "imports is a list of texts"),
    ("version = 3\nimports = ['/a.toml' '/b.toml']\n", "a comma or a bracket is missing"),
    ("version = 3\nimports = []\nimports = []\n", "imports is there twice"),
    ("version = 3\nimports = ['/a.toml'\n", "config.toml"),
    ("version = 3\nversion 3\n", "config.toml:2: this is neither a key nor a table"),
    ("version = 3\nroot = 'a\n", "config.toml:2: a string is not ended"),
    ("version = 3\ndisabled_plugins = ['cri']\n", "invalid disabled plugin URI"),
    ("\x00\x01\x02", "config.toml:1"),
    ("<html>\n", "config.toml:1: this is neither a key nor a table"),
])
def test_config_that_is_no_config(make, text, says):
    machine = make(text)
    for command in ("install", "plan"):
        refuses(machine, command, says=says)


def test_import_that_is_no_config(make):
    machine = make(f"version = 3\nimports = ['{PATTERN}']\n", files={LATER: "version = 3\n[a\n"})
    refuses(machine, "install", says=(nodes.CONFIG, "failed to unmarshal TOML at row 2"))


@pytest.mark.parametrize(("says", "expected"), [
    ("", "an unknown version"),
    ("ctr v2.2.2\n", "an unknown version"),
    ("containerd github.com/containerd/containerd v1.7.30 0123\n", "containerd 1.7.30 of containerd.service"),
    ("containerd github.com/containerd/containerd/v2 v2.0.4 0123\n", "containerd 2.0.4 of containerd.service"),
])
def test_version_that_is_too_old(make, says, expected):
    machine = make("version = 3\n")
    machine.write("/.machine/containerd-version", says)
    refuses(machine, "install", says=("containerd.version", expected, "2.0.5 or newer"))


@pytest.mark.parametrize("says", [
    "containerd github.com/containerd/containerd/v2 v2.0.5 fb4c30d4ede3531652d86197bf3fc9515e5276d9\n",
    "containerd github.com/containerd/containerd/v2 2.2.1-0ubuntu1~24.04.1 \n",
    "containerd github.com/k3s-io/containerd/v2 v2.1.5-k3s1.33 \n",
    "containerd github.com/containerd/containerd/v2 v2.2.2+unknown \n",
])
def test_version_that_is_new_enough(make, says):
    machine = make("version = 3\n")
    machine.write("/.machine/containerd-version", says)
    assert machine.berth("plan").code == 2


def test_unknown_engine(make):
    machine = make("version = 3\n", settings="engine: podman\n" + POOL_CONFIG)
    for command in ("install", "plan"):
        refuses(machine, command, says=(f"{SETTINGS_FILE}:1: engine: 'podman' is not valid",
                                        "docker, containerd, docker+containerd"))


@pytest.mark.parametrize("mode", ["control-group", "mixed"])
def test_kill_mode(make, mode):
    machine = make("version = 3\n")
    machine.write("/etc/systemd/system/containerd.service.d/kill.conf", f"[Service]\nKillMode={mode}\n")
    machine.systemctl("daemon-reload")
    refuses(machine, "install", says=("containerd.kill-mode", "KillMode=process"))
    machine.path("/etc/systemd/system/containerd.service.d/kill.conf").unlink()
    machine.systemctl("daemon-reload")
    assert machine.berth("plan").code == 2


FLAG = "--container-runtime-endpoint=unix://"
SOCKETS = {
    "another's, by its flag": (f"{FLAG}/var/run/crio/crio.sock", "", "/var/run/crio/crio.sock"),
    "another's, by its file": ("--config=/var/lib/kubelet/config.yaml",
                               "kind: KubeletConfiguration\ncontainerRuntimeEndpoint: unix:///run/cri-dockerd.sock\n",
                               "/run/cri-dockerd.sock"),
    "another's, in JSON": ("--config\0/var/lib/kubelet/config.yaml",
                           '{"containerRuntimeEndpoint": "unix:///run/crio/crio.sock"}', "/run/crio/crio.sock"),
    "ours, by the old path": (f"{FLAG}/var/run/containerd/containerd.sock", "", None),
    "ours, by its file": ("--config=/var/lib/kubelet/config.yaml",
                          "containerRuntimeEndpoint: unix:///run/containerd/containerd.sock\n", None),
    "not told": ("--v=2", "", None),
}


@pytest.mark.parametrize("name", SOCKETS)
def test_engine_of_the_kubelet(make, name):
    flags, text, refused = SOCKETS[name]
    machine = make("version = 3\n", files={"/proc/812/comm": "kubelet\n", "/var/lib/kubelet/config.yaml": text,
                                          "/proc/812/cmdline": f"/usr/bin/kubelet\0{flags}\0"})
    if refused:
        refuses(machine, "install", says=("containerd.kubelet", f"'{refused}'", "set engine: docker"))
    else:
        assert machine.berth("plan").code == 2


# ---- where it is, and what it reads ----

@pytest.mark.parametrize("flag", ["--config /etc/my/containerd.toml", "--config=/etc/my/containerd.toml",
                                  "-c /etc/my/containerd.toml"])
def test_config_of_the_unit(make, flag):
    machine = make("version = 3\n")
    machine.write("/etc/systemd/system/containerd.service", nodes.stock(f"/usr/local/bin/containerd {flag}"))
    machine.write("/etc/my/containerd.toml", "version = 2\n")
    machine.systemctl("daemon-reload")
    machine.before = machine.snapshot(trees.TRACES)
    installs(machine, config="/etc/my/containerd.toml")
    assert machine.read(nodes.CONFIG) == "version = 3\n"
    uninstalls(machine)


@pytest.mark.parametrize("where", ["its config", "a drop-in", "its unit"])
def test_socket_of_the_settings(make, where):
    """The kubelet's, and the one that berth asks."""
    own = "/run/my/containerd.sock"
    grpc = f"[grpc]\naddress = '{own}'\n"
    machine = make("version = 3\nimports = ['conf.d/*.toml']\n" + (grpc if where == "its config" else ""), files={
        "/proc/812/comm": "kubelet\n", "/proc/812/cmdline": f"/usr/bin/kubelet\0{FLAG}{own}\0",
        **({"/etc/containerd/conf.d/10-mine.toml": grpc} if where == "a drop-in" else {})})
    if where == "its unit":
        refuses(machine, "plan", says=("containerd.kubelet", own))
        machine.write("/etc/systemd/system/containerd.service", nodes.stock(f"/usr/local/bin/containerd --address {own}"))
        machine.systemctl("daemon-reload")
    machine.before = machine.snapshot(trees.TRACES)
    installs(machine)
    assert own in machine.read("/var/lib/berth/journal/records")
    uninstalls(machine)


@pytest.mark.parametrize("where", ["its config", "its unit"])
def test_root_of_the_settings_and_the_pool(make, where):
    """What is not in /var/lib/containerd cannot be moved onto the pool: an empty folder would be."""
    text = "version = 3\n" + ("root = '/data/containerd'\n" if where == "its config" else "")
    machine = make(text, settings=SETTINGS.replace("pool:\n", "pool:\n  pods: true\n"))
    if where == "its unit":
        machine.write("/etc/systemd/system/containerd.service",
                      nodes.stock("/usr/local/bin/containerd --root=/data/containerd"))
        machine.systemctl("daemon-reload")
    for command in ("install", "plan"):
        refuses(machine, command, says=("pool.pods", "'/data/containerd'", "pool.pods: false"))
    machine.prepare(SETTINGS)
    assert machine.berth("plan").code == 2


def test_program_of_the_unit(make):
    """Not Debian's own, which lies unused in PATH."""
    machine = make("version = 3\n")
    machine.write("/usr/local/bin/containerd", "#!/bin/sh\n"
                  "echo containerd github.com/containerd/containerd 1.7.24~ds1 1.7.24~ds1-6\n", 0o755)
    machine.write("/home/containerd/bin/containerd", (roots.PROGRAMS / "ask").read_text(encoding="utf-8"), 0o755)
    machine.write("/etc/systemd/system/containerd.service", nodes.stock("/home/containerd/bin/containerd"))
    machine.systemctl("daemon-reload")
    plan = machine.berth("plan")
    assert plan.code == 2, plan


def test_docker_beside_it(make):
    """docker+containerd: both are planned, the node's containerd keeps its version and its file."""
    machine = make("version = 3\n", settings="engine: docker+containerd\n" + POOL_CONFIG)
    plan = machine.berth("plan")
    assert plan.code == 2 and "/etc/docker/daemon.json" in plan.out and DROP_IN in plan.out, plan


def test_what_is_only_of_docker(make):
    """A snap of it, or its addresses in use, are nothing to a node without it."""
    machine = make("version = 3\n")
    machine.write("/proc/net/route", machine.read("/proc/net/route") +
                  "ens5\t000018AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n")
    machine.write("/snap/docker/current", "2963\n")
    plan = machine.berth("plan")
    assert plan.code == 2 and "docker.bridge_ip" not in plan.out, plan


def test_engine_taken_out_of_the_settings(make):
    """What was done to containerd is undone by an uninstall whatever the settings say by then."""
    machine = make("version = 3\n")
    installs(machine)
    machine.prepare(POOL_CONFIG)
    uninstalls(machine, ignore=(SETTINGS_FILE,))


# ---- the simulation ----

def real_containerd():
    cache = Path(os.environ.get("BERTH_CACHE", Path.home() / ".cache/berth"))
    return next(iter(sorted(cache.glob("kube/containerd-*/containerd"))), None)


COMPARED = {
    **{name: (of_data(name), {}) for name in ("kubeadm", "eks-al2023", "eks-al2", "eks-ubuntu", "gke-ubuntu", "k3s",
                                              "k0s", "microk8s", "containerd-io")},
    "an old version's drop-in": ("version = 3\nimports = ['conf.d/*.toml']\n", {2: "50"}),
    "a new version's drop-in": ("version = 2\nimports = ['conf.d/*.toml']\n[plugins.'io.containerd.grpc.v1.cri'."
                                "containerd]\ndefault_runtime_name = 'lost'\n", {3: "50"}),
    "drop-ins in their order": ("version = 3\nimports = ['conf.d/*.toml']\n", {3: "50", 3.0: "60"}),
    "no version": (f"imports = ['{PATTERN}']\n[plugins.cri.containerd]\ndefault_runtime_name = 'a'\n", {3: "50"}),
    "an import that is not there": ("version = 3\nimports = ['/etc/none.toml', 'conf.d/*.toml']\n", {3: "50"}),
    "one key twice": ("version = 3\nversion = 3\n", {}),
    "no table": ("version = 3\n[plugins\n", {}),
    "version 9": ("version = 9\n", {}),
}


def seen(code, out):
    """What berth looks at."""
    if code:
        return code
    found = tomllib.loads(out)
    cri = found["plugins"].get(CRI_3, {}).get("containerd", {})
    handlers = {name: ({key: table.get(key) for key in ("runtime_type", "pod_annotations", "container_annotations")},
                       {key: table.get("options", {}).get(key) for key in ("BinaryName", "SystemdCgroup")})
                for name, table in cri.get("runtimes", {}).items()}
    top = {key: found[key] for key in ("version", "imports", "disabled_plugins", "required_plugins", "oom_score")}
    images = found["plugins"].get(IMAGES, {})
    return top, cri.get("default_runtime_name"), handlers, images.get("pinned_images"), images.get("registry")


@pytest.mark.skipif(not real_containerd(), reason="no containerd in the cache: tests/kube builds it")
@pytest.mark.parametrize("name", COMPARED)
def test_dump_is_as_the_real_one(make, name):
    text, drop_ins = COMPARED[name]
    machine = make(text)
    for version, number in drop_ins.items():
        machine.write(f"/etc/containerd/conf.d/{number}.toml", with_handler(f"/bin/{number}", int(version)))
    ours = subprocess.run([machine.path("/usr/local/bin/containerd"), "--config", nodes.CONFIG, "config", "dump"],
                          text=True, capture_output=True, check=False,
                          env={"HOST_ROOT": str(machine.root), "PATH": "/usr/bin:/bin"})
    here = re.sub(r"(imports = \[['\"])/", rf"\1{machine.root}/", text)
    machine.write(nodes.CONFIG, here)
    theirs = subprocess.run([real_containerd(), "--config", machine.path(nodes.CONFIG), "config", "dump"],
                            text=True, capture_output=True, check=False)
    said = theirs.stdout.replace(f"{machine.root}/", "/")
    if PATTERN in text:  # the one of the defaults, too, for the real one
        said = said.replace(f"['{PATTERN}', '{PATTERN}']", f"['{PATTERN}']")
    assert seen(ours.returncode, ours.stdout) == seen(theirs.returncode, said), (ours.stderr, theirs.stderr)
