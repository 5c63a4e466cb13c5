"""CRI-O, as far as berth asks it: `--version`, and `--config-dir DIR config`.

Read as CRI-O 1.34 does it (pkg/config: UpdateFromPath): /etc/crio/crio.conf, then each file of the folder and of those
in it, whatever it is called, in the order of the names. The last one that names a key counts; a handler's table takes
the place of an earlier one of its name, and storage options add up. What it prints is its template: a key that has its
default is a comment, and the handlers are that as long as nobody names one. Only the keys that could matter are in it.
It does not look whether a handler's runtime is there: a CRI-O that starts does, and goes without that handler.
"""

import json
import os
import re
import tomllib

from folder import OWN, Failure, exists, is_file, ordered, read, real, say

VERSION = OWN + "/crio-version"
CONFIG = "/etc/crio/crio.conf"
STAMP = 'time="2026-01-01T00:00:00.000000000Z"'

DEFAULTS = {
    "crio": {"root": "/var/lib/containers/storage", "runroot": "/run/containers/storage", "storage_driver": "",
             "storage_option": [], "log_dir": "/var/log/crio/pods", "internal_wipe": True},
    "crio.api": {"listen": "/var/run/crio/crio.sock", "stream_port": "0", "grpc_max_send_msg_size": 83886080},
    "crio.runtime": {"default_ulimits": [], "no_pivot": False, "conmon": "", "conmon_cgroup": "", "conmon_env": [],
                     "default_env": [], "selinux": False, "apparmor_profile": "crio-default",
                     "cgroup_manager": "systemd", "pids_limit": -1, "log_level": "info", "pinns_path": "",
                     "default_runtime": "crun", "timezone": ""},
    "crio.image": {"default_transport": "docker://", "global_auth_file": "",
                   "pause_image": "registry.k8s.io/pause:3.10", "pause_command": "/pause", "signature_policy": "",
                   "signature_policy_dir": "/etc/crio/policies"},
    "crio.network": {"cni_default_network": "", "network_dir": "/etc/cni/net.d/", "plugin_dirs": ["/opt/cni/bin/"]},
}
HANDLER = {"runtime_path": "", "runtime_type": "", "runtime_root": "", "inherit_default_runtime": False,
           "runtime_config_path": "", "container_min_memory": "", "monitor_path": "", "monitor_cgroup": "",
           "monitor_exec_cgroup": "", "monitor_env": [], "allowed_annotations": [],
           "privileged_without_host_devices": False}
CRUN = {"runtime_type": "oci", "runtime_root": "/run/crun", "container_min_memory": "500KiB",
        "monitor_cgroup": "system.slice",
        "monitor_env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
        "allowed_annotations": ["io.containers.trace-syscall", "io.kubernetes.cri-o.Devices"]}
KINDS = {int: "int64", str: "string", list: "slice", dict: "map", bool: "bool", float: "float64"}
WANTED = {**KINDS, int: "integer", bool: "boolean"}
EXAMPLE = "# Each entry in the table should follow the format:\n#\n# [crio.runtime.runtimes.runtime-handler]\n" \
          "# runtime_path = \"/path/to/the/executable\"\n# runtime_type = \"oci\"\n"


# ---- reading ----

def fatal(text, stamp=STAMP + " "):
    return Failure(f"{stamp}level=fatal msg={json.dumps(text)}")


def not_toml(path, why):
    steps = "drop-in file" if path == CONFIG else "path: walk path"
    return fatal(f"get and merge config from context: update config from {steps}: unable to decode configuration "
                 f"{path}: toml: {why}")


def line_of(text, key):
    found = re.search(rf"(?m)^\s*{re.escape(key)}\s*=", text)
    return text.count("\n", 0, found.end()) + 1 if found else 1


def check_kinds(path, text, found, like, name):
    """Values are of the kind that the defaults have."""
    for key, default in like.items():
        if key in found and type(found[key]) is not type(default):
            raise not_toml(path, f"line {line_of(text, key)} (last key \"{name}.{key}\"): incompatible types: TOML "
                                 f"value has type {KINDS[type(found[key])]}; destination has type "
                                 f"{WANTED[type(default)]}")


def load(path):
    """One file's tables, each by its full name."""
    if os.path.isdir(real(path)) or not os.path.exists(real(path)):
        why = f"read {path}: is a directory" if os.path.isdir(real(path)) else f"open {path}: no such file or directory"
        raise fatal(f"get and merge config from context: update config from path: walk path: {why}")
    text = read(path)
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        why, _, place = str(error).rpartition(" (at ")
        row = re.search(r"line (\d+)", place)
        raise not_toml(path, f"line {row[1] if row else text.count(chr(10)) + 1}: {why}") from None
    top = found.get("crio", {})
    if not isinstance(top, dict):
        raise not_toml(path, f"line {line_of(text, 'crio')} (last key \"crio\"): expected table but found "
                             f"{KINDS[type(top)]}")
    tables = {name: top if name == "crio" else top.get(name[5:], {}) for name in DEFAULTS}
    for name, table in tables.items():
        check_kinds(path, text, table, DEFAULTS[name], name)
    for name, handler in tables["crio.runtime"].get("runtimes", {}).items():
        check_kinds(path, text, handler, HANDLER, f"crio.runtime.runtimes.{name}")
    return tables


def files_of(path):
    """As filepath.Walk does it: links are not followed."""
    if os.path.islink(real(path)) or not os.path.isdir(real(path)):
        yield from [path] if exists(path) else ()
        return
    for name in sorted(os.listdir(real(path))):
        yield from files_of(f"{path}/{name}")


def merge(to, tables):
    for name, table in tables.items():
        for key in DEFAULTS[name].keys() & table.keys():
            if key == "storage_option":
                to[name][key] = [*(item for item in to[name][key] if item not in table[key]), *table[key]]
            elif table[key] or key not in ("root", "runroot", "storage_driver"):
                to[name][key] = table[key]
    for name, handler in tables["crio.runtime"].get("runtimes", {}).items():
        to["runtimes"][name] = {**HANDLER, **handler}


def translate(merged):
    """What old keys say of every handler's monitor."""
    runtime = merged["crio.runtime"]
    for handler in merged["runtimes"].values():
        if handler["runtime_type"] in ("", "oci"):
            handler["monitor_path"] = runtime["conmon"] or handler["monitor_path"]
            handler["monitor_cgroup"] = runtime["conmon_cgroup"] or handler["monitor_cgroup"] or "system.slice"
            handler["monitor_env"] = runtime["conmon_env"] or handler["monitor_env"]


def load_all(folder):
    merged = {name: dict(table) for name, table in DEFAULTS.items()}
    merged["runtimes"] = {"crun": {**HANDLER, **CRUN}}
    for path in [*([CONFIG] if is_file(CONFIG) else []), *files_of(folder)]:
        merge(merged, load(path))
    standard = merged["crio.runtime"]["default_runtime"]
    if standard not in merged["runtimes"]:
        raise fatal(f"validating runtime config: default_runtime set to \"{standard}\", but no runtime entry table "
                    f"[crio.runtime.runtimes.{standard}] was found", stamp="")
    translate(merged)
    return merged


# ---- writing ----

def print_key(mark, key, value):
    if isinstance(value, list):
        say(f"{mark}{key} = [")
        for item in value:
            say(f"{mark}\t{json.dumps(item)},")
        say(f"{mark}]")
    else:
        say(f"{mark}{key} = {json.dumps(value)}")


def print_handlers(handlers):
    say(f"# The \"crio.runtime.runtimes\" table defines a list of OCI compatible runtimes.\n{EXAMPLE}")
    mark = "# " if handlers == {"crun": {**HANDLER, **CRUN}} else ""
    for name in sorted(handlers):
        say(f"\n{mark}[crio.runtime.runtimes.{name}]")
        for key, value in handlers[name].items():
            if value != [] or key not in ("monitor_env", "allowed_annotations"):
                print_key(mark, key, value)
        say("\n")


def dump(folder):
    merged = load_all(folder)
    if ordered("crio-refuses") and "sysbox-runc" in merged["runtimes"]:
        raise fatal(ordered("crio-refuses"), stamp="")
    for name, defaults in DEFAULTS.items():
        say(f"# The {name} table contains settings of CRI-O.\n[{name}]\n")
        for key, default in defaults.items():
            print_key("# " if merged[name][key] == default else "", key, merged[name][key])
            if key == "default_runtime":
                print_handlers(merged["runtimes"])
            say()


def package_version():
    """Of the package that it is from, as far as dpkg knows of one."""
    found = re.search(r"(?ms)^Package: cri-o\n.*?^Version: ([\d.]+)", read("/var/lib/dpkg/status", ""))
    return found[1] if found else "1.34.0"


def main(arguments):
    words = list(arguments)
    if words == ["--version"]:
        number = read(VERSION, package_version()).strip()
        say(f"crio version {number}\nVersion:        {number}\nGitCommit:      unknown" if number else "crio: unknown")
    elif words[:1] == ["--config-dir"] and words[2:] == ["config"]:
        dump(words[1])
    else:
        raise Failure(f"crio: this one does not know: {' '.join(words)}")
