"""containerd, as far as berth asks it: `--version`, and `--config FILE config dump`.

The files are read as containerd 2 does it (cmd/containerd/server/config): imports breadth first, patterns and relative
paths from the folder of the file that names them, tables merged by their keys, the last `version` that is named
for all of them, the CRI plugin's old table moved last, and only where the new one has nothing of the name. From 2.3
on each file is moved by itself, and none may have a newer version than the first. The dump is go-toml's: one key a
line, tables indented. Of the plugins' defaults only those of the CRI plugin's handlers are in it, the image that pods
have and the folder of mirrors. 1.7 has all of it in one plugin's table.
"""

import copy
import glob
import json
import os
import re
import tomllib

from folder import OWN, Failure, is_file, ordered, read, real, say

VERSION = OWN + "/containerd-version"  # what `containerd --version` prints
IMPORTED = "/etc/containerd/conf.d/*.toml"
STAMP = 'time="2026-01-01T00:00:00Z"'
OLD_CRI = "io.containerd.grpc.v1.cri"
CRI = "io.containerd.cri.v1.runtime"
IMAGES = "io.containerd.cri.v1.images"
OF_IMAGES = ("snapshotter", "disable_snapshot_annotations", "discard_unpacked_layers")
TYPES = {"version": int, "oom_score": int, "imports": list, "disabled_plugins": list, "required_plugins": list,
         "plugins": dict}
KINDS = {int: "integer", str: "string", list: "array", dict: "table", bool: "boolean"}

HANDLER = {"runtime_type": "", "runtime_path": "", "pod_annotations": [], "container_annotations": [],
           "privileged_without_host_devices": False, "base_runtime_spec": "", "snapshotter": "", "sandboxer": ""}
PINNED = {"pinned_images": {"sandbox": "registry.k8s.io/pause:3.10.1"}, "registry": {"config_path": ""}}
PINNED_BY_OLD = {"sandbox_image": "registry.k8s.io/pause:3.8", "registry": {"config_path": ""}}
OPTIONS = {"BinaryName": "", "NoNewKeyring": False, "Root": "", "ShimCgroup": "", "SystemdCgroup": False}


def version():
    """(2, 2, 2)"""
    return tuple(int(number) for number in re.search(r" v?(\d+)\.(\d+)\.(\d+)", read(VERSION)).groups())


def newest_config():
    return 4 if version() >= (2, 3) else 3 if version() >= (2,) else 2


# ---- reading ----

def not_toml(path, row, column, why):
    line = (f'{STAMP} level=error msg="Failure unmarshaling TOML" column={column} error="toml: {why}" file={path} '
            f"row={row}")
    return Failure(f"{line}\ncontainerd: failed to unmarshal TOML at row {row} column {column}: toml: {why}")


def load(path):
    """One file's tables; FileNotFoundError where there is none."""
    if os.path.isdir(real(path)):
        raise Failure(f"containerd: failed to unmarshal TOML: toml: read {path}: is a directory")
    text = read(path)
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        why, _, place = str(error).rpartition(" (at ")
        numbers = [int("".join(filter(str.isdigit, word))) for word in place.split() if any(map(str.isdigit, word))]
        row, column = numbers if len(numbers) == 2 else (text.count("\n") + 1, 1)
        raise not_toml(path, row, column, why) from None
    for key, kind in TYPES.items():
        if key in found and type(found[key]) is not kind:
            raise not_toml(path, 1, 1, f"cannot decode TOML {KINDS.get(type(found[key]), 'value')} into struct field "
                                       f"config.Config.{key}")
    return found


def resolve(parent, imports):
    for pattern in imports:
        path = os.path.normpath(os.path.join(os.path.dirname(parent), pattern))
        if "*" in path:
            yield from (name[len(real("")):] for name in sorted(glob.glob(real(path))))
        else:
            yield path


def merge_tables(to, found):
    """By their keys; all but tables is the later file's."""
    for key, value in found.items():
        if isinstance(value, dict) and isinstance(to.get(key), dict):
            merge_tables(to[key], value)
        else:
            to[key] = copy.deepcopy(value)


def merge_into(defaults, found):
    merged = copy.deepcopy(defaults)
    merge_tables(merged, found)
    return merged


def merge(to, found):
    """Of the server's own keys lists are appended to, and what is empty does not count."""
    for key, value in found.items():
        if isinstance(value, dict):
            merge_tables(to.setdefault(key, {}), value)
        elif isinstance(value, list) and key in to:
            to[key] += [item for item in value if item not in to[key]]
        elif value not in ("", 0) or key not in to:
            to[key] = copy.deepcopy(value)


def uri(name):
    """Of a plugin that version 1 names by its last part."""
    return name if "." in name else OLD_CRI if name == "cri" else f"io.containerd.grpc.v1.{name}"


def move_names(found):
    if found.get("version", 0) > 1:
        return
    for key in ("disabled_plugins", "required_plugins"):
        if key in found:
            found[key] = [uri(name) for name in found[key]]
    found["plugins"] = {uri(name): table for name, table in found.get("plugins", {}).items()}
    found["version"] = newest_config()


def move_images(plugins):
    old = plugins.get(OLD_CRI, {})
    new = plugins.setdefault(IMAGES, {})
    if "sandbox_image" in old:
        new.setdefault("pinned_images", {}).setdefault("sandbox", old["sandbox_image"])
    if "registry" in old:
        new.setdefault("registry", copy.deepcopy(old["registry"]))


def move_cri(plugins):
    """Of version 2 to 3."""
    move_images(plugins)
    old = plugins.get(OLD_CRI, {}).get("containerd")
    if old is None:
        return
    new = plugins.setdefault(CRI, {}).setdefault("containerd", {})
    for key, value in old.items():
        if key not in OF_IMAGES:
            new.setdefault(key, copy.deepcopy(value))


def load_all(path):
    """The file and all it imports."""
    merged = {"version": newest_config(), "root": "/var/lib/containerd", "state": "/run/containerd", "temp": "",
              "disabled_plugins": [], "required_plugins": [], "oom_score": 0, "imports": [IMPORTED],
              "grpc": {"address": "/run/containerd/containerd.sock"}, "plugins": {}}
    pending, loaded, first = [path], set(), 0
    while pending:
        path = pending.pop(0)
        if path in loaded:
            continue
        try:
            found = load(path)
        except FileNotFoundError:
            break
        named = found.get("version", 0)
        first = first or named
        if version() >= (2, 3) and named > first:
            raise Failure(f"containerd: drop-in config version {named} higher than root config version {first}")
        move_names(found)
        if version() >= (2, 3) and named == 2:
            move_cri(found.setdefault("plugins", {}))
            found["version"] = newest_config()
        merge(merged, found)
        loaded.add(path)
        pending += resolve(path, found.get("imports", []))
    check(path, merged)
    return merged


def check(path, merged):
    if merged["version"] > newest_config():
        raise Failure(f"containerd: failed to load TOML from {path}: expected containerd config version equal to or "
                      f"less than `{newest_config()}`, got `{merged['version']}`")
    for kind in ("disabled", "required"):
        for name in merged[kind + "_plugins"]:
            if "." not in name:
                raise Failure(f'containerd: failed to load TOML from {path}: invalid {kind} plugin URI "{name}" expect '
                              "io.containerd.x.vx")


# ---- writing ----

def text_of(value):
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ", ".join(text_of(item) for item in value) + "]"
    if isinstance(value, str):
        return json.dumps(value) if "'" in value or not value.isprintable() else f"'{value}'"
    return str(value)


def key_of(name):
    return name if name.replace("-", "").replace("_", "").isalnum() else f"'{name}'"


def print_table(table, path, depth):
    for key, value in table.items():
        if not isinstance(value, dict):
            say(f"{'  ' * depth}{key_of(key)} = {text_of(value)}")
    for key, value in table.items():
        if isinstance(value, dict):
            name = ".".join([*path, key_of(key)])
            say(f"{'  ' * len(path)}[{name}]")
            print_table(value, [*path, key_of(key)], len(path) + 1)
            say()


def dump(path):
    merged = load_all(path)
    plugins = merged.pop("plugins")
    if merged["version"] < newest_config():
        move_cri(plugins)
    merged["version"] = newest_config()
    plugin = CRI if newest_config() > 2 else OLD_CRI
    cri = {"default_runtime_name": "runc", "runtimes": {"runc": {
        **HANDLER, "runtime_type": "io.containerd.runc.v2", "sandboxer": "podsandbox", "options": dict(OPTIONS)}}}
    merge_tables(cri, plugins.get(plugin, {}).get("containerd", {}))
    for name, handler in cri["runtimes"].items():
        cri["runtimes"][name] = {**HANDLER, **handler}
    plugins.setdefault(plugin, {})["containerd"] = cri
    name, images = (IMAGES, PINNED) if newest_config() > 2 else (OLD_CRI, PINNED_BY_OLD)
    plugins[name] = merge_into(images, plugins.get(name, {}))
    if ordered("containerd-refuses") and "sysbox-runc" in cri["runtimes"]:
        raise Failure(f"{STAMP} level=warning msg=\"Ignoring unknown key in TOML\" key=foo\n"
                      f"containerd: {ordered('containerd-refuses')}")
    print_table({**merged, "plugins": plugins}, [], 0)


def main(arguments):
    words = list(arguments)
    if words == ["--version"] and is_file(VERSION):
        say(read(VERSION), end="")
    elif words[:1] == ["--config"] and words[2:] == ["config", "dump"]:
        dump(words[1])
    else:
        raise Failure(f"containerd: this one does not know: {' '.join(words)}")
