"""The real programs that tests talk to: etcd, Kubernetes, containerd, CRI-O, runc, CNI plugins, helm, kwok, promtool.

    binary("helm")                    the path of one, built first when the cache has none of this recipe
    python3 tests/kube/parts.py       builds all of them, or those named

Each is built by Go from the modules that parts/*/go.mod pins and go.sum proves; promtool is Debian's. They are kept in
$BERTH_CACHE/kube/NAME-DIGEST/ (~/.cache/berth by default).
"""

import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "node"))

import environment  # noqa: E402
from environment import HarnessError, build_once, fingerprint, locked, tool  # noqa: E402

_BUILD_TIMEOUT = 3600
_KEPT_DAYS = 4

# The oldest Go that can read parts/*/go.mod, and the one to fetch where the machine's is older.
_GO_WANTED = (1, 24, 3)
_TOOLCHAIN = "go1.25.5"

# As its own Makefile has it.
_C_FLAGS = ("-std=c99", "-Os", "-s", "-static")

# What of a failed `go list` is a fault of ours; all else is a network that does not give.
_DEFECTS = ("SECURITY ERROR", "missing go.sum entry", "updates to go.mod needed")


class Unavailable(HarnessError):
    """A program cannot be had on this machine; the message says why."""


@dataclass(frozen=True)
class GoPart:
    """A program that Go builds: its folder of parts/, its package, the module that gives its version, its stamps."""

    folder: str
    package: str
    module: str
    # Rows of a variable of the program, a module, and what of the module's version the variable is to hold.
    stamps: tuple = ()
    tags: tuple = ()
    # pkg-config's names of the C libraries in it, linked statically: it runs on other systems than this one.
    libraries: tuple = ()

    def version(self):
        """The pinned version, such as v3.19.5."""
        return _pinned(self.folder, self.module)


# Both for `kubectl version` and for what the API server says at /version.
_KUBERNETES_STAMPS = tuple(
    (f"{package}/version.{name}", "k8s.io/kubernetes", value)
    for package in ("k8s.io/component-base", "k8s.io/client-go/pkg")
    for name, value in (("gitVersion", "{version}"), ("gitMajor", "{major}"), ("gitMinor", "{minor}")))

# As helm's own Makefile has it: Kubernetes of the client library is what charts are rendered for by default.
_HELM_STAMPS = (
    ("helm.sh/helm/v3/internal/version.version", "helm.sh/helm/v3", "{version}"),
    ("helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor", "k8s.io/client-go", "{minor}"),
    ("helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor", "k8s.io/client-go", "{minor}"),
)

# For programs with C in them: linked statically, they look up names and users by Go alone.
_STATIC_TAGS = ("seccomp", "netgo", "osusergo")
_CONTAINERD = "github.com/containerd/containerd/v2"
_CONTAINERD_STAMPS = ((f"{_CONTAINERD}/version.Version", _CONTAINERD, "{version}"),)
# Debian has no headers for them, and no virtual node has a disk of theirs.
_CONTAINERD_TAGS = ("no_btrfs", "no_devmapper", "no_zfs")
# Only openpgp is Go all through; there is neither btrfs nor ostree nor device mapper where it runs.
_CRIO_TAGS = ("containers_image_openpgp", "containers_image_ostree_stub", "exclude_graphdriver_btrfs",
              "btrfs_noversion", "exclude_graphdriver_devicemapper", "libdm_no_deferred_remove", *_STATIC_TAGS)
_CNI = "github.com/containernetworking/plugins"
_CNI_STAMPS = ((f"{_CNI}/pkg/utils/buildversion.BuildVersion", _CNI, "{version}"),)
CNI_PLUGINS = {"bridge": "main", "host-local": "ipam", "loopback": "main", "portmap": "meta"}

GO_PARTS = {
    "helm": GoPart("helm", "helm.sh/helm/v3/cmd/helm", "helm.sh/helm/v3", _HELM_STAMPS),
    "etcd": GoPart("etcd", "go.etcd.io/etcd/server/v3", "go.etcd.io/etcd/server/v3"),
    **{name: GoPart("kubernetes", f"k8s.io/kubernetes/cmd/{name}", "k8s.io/kubernetes", _KUBERNETES_STAMPS)
       for name in ("kube-apiserver", "kubectl", "kube-controller-manager", "kube-scheduler", "kubelet")},
    "kwok": GoPart("kwok", "sigs.k8s.io/kwok/cmd/kwok", "sigs.k8s.io/kwok"),
    **{name: GoPart("containerd", f"{_CONTAINERD}/cmd/{name}", _CONTAINERD, _CONTAINERD_STAMPS, _CONTAINERD_TAGS)
       for name in ("containerd", "containerd-shim-runc-v2", "ctr")},
    "runc": GoPart("runc", "github.com/opencontainers/runc", "github.com/opencontainers/runc",
                   tags=_STATIC_TAGS, libraries=("libseccomp",)),
    # copyimg puts images into its storage.
    **{name: GoPart("cri-o", f"github.com/cri-o/cri-o/{path}", "github.com/cri-o/cri-o",
                    tags=_CRIO_TAGS, libraries=("libseccomp",))
       for name, path in (("crio", "cmd/crio"), ("copyimg", "test/copyimg"))},
    **{name: GoPart("cni", f"{_CNI}/plugins/{kind}/{name}", _CNI, _CNI_STAMPS) for name, kind in CNI_PLUGINS.items()},
}
# Program -> the Debian package that has it; nothing is installed.
DEB_PARTS = {"promtool": "prometheus", "conmon": "conmon"}
# Program -> the folder of parts/, the module, and where in it are the C sources: small ones of no library.
C_PARTS = {"pinns": ("cri-o", "github.com/cri-o/cri-o", "pinns/src")}
NAMES = (*GO_PARTS, *DEB_PARTS, *C_PARTS)


def cache_dir():
    """Where the programs and the logs of servers are kept; safe to delete when no test runs."""
    return environment.cache_dir().parent / "kube"


@cache
def binary(name):
    """The path of program *name*; raises Unavailable with the reason when this machine cannot have it."""
    if name in DEB_PARTS:
        key, make = fingerprint(name, Path("/etc/os-release").read_text()), _unpack_deb
    elif name in C_PARTS:
        folder, module, where = C_PARTS[name]
        key, make = fingerprint(_pinned(folder, module), where, _C_FLAGS), _compile
    else:
        part = GO_PARTS[name]
        key, make = fingerprint(*_recipe(part), go_version()), _build_go
    folder = cache_dir() / f"{name}-{key}"

    def make_alone(staging):
        # One build uses all processors, and linking an API server takes gigabytes.
        with locked(cache_dir() / ".build.lock"), environment.stage(f"making {name}"):
            make(name, staging)
        _prune(name)

    return build_once(folder, make_alone) / name


def _prune(name):
    """Remove what other recipes made of *name* that nobody used for days."""
    oldest = time.time() - _KEPT_DAYS * 86400
    for folder in cache_dir().glob(f"{name}-" + "[0-9a-f]" * 16):
        if folder.stat().st_mtime < oldest:
            shutil.rmtree(folder, ignore_errors=True)


# Go's programs

def _build_go(name, staging):
    part = GO_PARTS[name]
    folder = HERE / "parts" / part.folder
    variables = _cgo(name, part.libraries) if part.libraries else {}
    tags = ["-tags", ",".join(part.tags)] if part.tags else []
    listed = _go(["list", "-deps", *tags, part.package], folder, **variables)
    if listed.returncode != 0:
        kind = HarnessError if any(defect in listed.stderr for defect in _DEFECTS) else Unavailable
        raise kind(f"the sources of {name} cannot be had: {_last_line(listed.stderr)}")
    built = _go(["build", *tags, "-ldflags", _ldflags(part), "-o", str(staging / name), part.package], folder,
                **variables)
    if built.returncode != 0:
        raise HarnessError(f"{name} does not build:\n" + "\n".join(built.stderr.splitlines()[-25:]))


def _cgo(name, libraries):
    """The variables for a program with C in it; raises Unavailable where its libraries are not here."""
    absent = [program for program in ("gcc", "pkg-config") if not shutil.which(program)]
    if not absent:
        absent = [f"{library}-dev" for library in libraries
                  if subprocess.run(["pkg-config", "--exists", library], check=False).returncode != 0]
    if absent:
        raise Unavailable(f"{name} has C in it: apt-get install {' '.join(absent)}")
    return {"CGO_ENABLED": "1"}


def _compile(name, staging):
    """A program of C that comes inside of a module of Go."""
    folder, module, where = C_PARTS[name]
    _cgo(name, ())
    got = _go(["list", "-m", "-f", "{{.Dir}}", module], HERE / "parts" / folder)
    sources = sorted(Path(got.stdout.strip() or "/nowhere", where).glob("*.c"))
    if not sources:
        raise Unavailable(f"the sources of {name} cannot be had: {_last_line(got.stderr)}")
    tool(["gcc", *_C_FLAGS, "-o", staging / name, *sources])


def _recipe(part):
    """All that decides what Go builds, but for Go itself."""
    folder = HERE / "parts" / part.folder
    sources = (folder / "go.mod").read_text(), (folder / "go.sum").read_text()
    further = (part.tags, part.libraries) if part.tags or part.libraries else ()
    return part.package, _ldflags(part), *sources, *further


def _ldflags(part):
    stamps = (f"-X {variable}={_stamp(part, module, value)}" for variable, module, value in part.stamps)
    static = ["-linkmode external -extldflags -static"] if part.libraries else []
    return " ".join(("-s -w", *static, *stamps))


def _stamp(part, module, value):
    version = _pinned(part.folder, module)
    major, minor = version.removeprefix("v").split(".")[:2]
    return value.format(version=version, major=major, minor=minor)


def _pinned(folder, module):
    text = (HERE / "parts" / folder / "go.mod").read_text()
    return re.search(rf"^(?:require)?\s+{re.escape(module)} (v\S+)", text, re.M).group(1)


def _go(arguments, folder, go=None, **variables):
    """Run go in *folder*: the user's proxy and caches, our flags; modest, because tests of timing may run beside it."""
    env = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly -trimpath -buildvcs=false", "GOWORK": "off",
           "GOTOOLCHAIN": "local", "LC_ALL": "C.UTF-8", **variables}
    return subprocess.run(["nice", "-n", "19", go or _go_program(), *arguments], cwd=folder, env=env, check=False,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_BUILD_TIMEOUT)


def _last_line(text):
    return (text.strip().splitlines() or ["it does not say why"])[-1]


@cache
def go_version():
    """The Go that builds, such as go1.25.5."""
    return _version_of(_go_program())


@cache
def _go_program():
    """A Go that is new enough: the machine's own, or the one that an older Go fetches as a module."""
    found = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if not found:
        raise Unavailable("there is no Go on this machine: apt-get install golang-go")
    if tuple(map(int, re.findall(r"\d+", _version_of(found))[:3])) >= _GO_WANTED:
        return found
    return _newer_go(found)


def _version_of(go):
    return _go(["env", "GOVERSION"], "/", go).stdout.strip()


def _newer_go(go):
    """Fetch _TOOLCHAIN the way Go 1.21 does by itself, which older ones can be told to."""
    arch = _go(["env", "GOARCH"], "/", go).stdout.strip()
    module = f"golang.org/toolchain@v0.0.1-{_TOOLCHAIN}.linux-{arch}"
    # Outside of any module there is no go.mod that -mod=readonly could be about.
    got = _go(["mod", "download", module], "/", go, GOFLAGS="")
    if got.returncode != 0:
        raise Unavailable(f"{_version_of(go)} is too old and a newer Go cannot be had: {_last_line(got.stderr)}")
    root = Path(_go(["env", "GOMODCACHE"], "/", go).stdout.strip()) / module
    # A module's files have no mode.
    for program in (*root.glob("bin/*"), *root.glob("pkg/tool/*/*")):
        program.chmod(0o755)
    return str(root / "bin/go")


# Debian's programs

def _unpack_deb(name, staging):
    if not shutil.which("apt-get"):
        raise Unavailable(f"{name} is taken from Debian's package {DEB_PARTS[name]}, and this machine has no apt")
    deb = _download_deb(DEB_PARTS[name], staging)
    tool(["dpkg-deb", "-x", deb, staging / "tree"])
    (staging / "tree/usr/bin" / name).rename(staging / name)
    shutil.rmtree(staging / "tree")
    deb.unlink()


def _download_deb(package, folder):
    """The package's file in *folder*; where the machine's lists are no good, by lists for this one time."""
    fetch = ["download", package]
    lists = folder / "lists"
    private = ["-o", f"Dir::State::Lists={lists}", "-o", f"Dir::Cache={lists}"]
    for steps in ([fetch], [[*private, "update"], [*private, *fetch]]):
        try:
            for step in steps:
                tool(["apt-get", "-qq", "-o", "APT::Sandbox::User=root", *step], timeout=600, cwd=folder)
            shutil.rmtree(lists, ignore_errors=True)
            return next(folder.glob("*.deb"))
        except HarnessError as error:
            problem = error
    raise Unavailable(f"apt does not give the package {package}: {_last_line(str(problem))}")


if __name__ == "__main__":
    for wanted in sys.argv[1:] or NAMES:
        if wanted not in NAMES:
            sys.exit(f"parts: there is no {wanted}; there are {', '.join(NAMES)}")
        try:
            print(binary(wanted), flush=True)
        except HarnessError as failure:
            sys.exit(f"parts: {failure}")
