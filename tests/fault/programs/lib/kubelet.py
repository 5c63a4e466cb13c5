"""The node's kubelet, as far as berth sees it: a process that its unit started, and a snap's settings.

A process is files of /proc. Its command line is the unit's at the time of its start, variables filled in from
Environment= and EnvironmentFile=; that of a snap is what its configure hook made of the settings.
"""

import json
import os
import shlex

from folder import Failure, exists, is_file, read, real, remove, remove_tree, say, write

PROCESS = "/proc/712"
SNAPD = "/var/lib/snapd/state.json"


def is_kubelet(unit):
    return unit == "kubelet.service" or unit.startswith("snap.kubelet")


# ---- a process ----

def variables(config, place):
    """What the unit's environment has, files over the unit's own; `place` is where a path leads, mounts minded."""
    found = {}
    for line in config.get("Environment", []):
        found |= dict(word.split("=", 1) for word in shlex.split(line) if "=" in word)
    for path in config.get("EnvironmentFile", []):
        for line in read(place(path.lstrip("-")), "").splitlines():
            key, equals, value = line.partition("=")
            if equals and not line.startswith("#"):
                found[key.strip()] = " ".join(shlex.split(value))
    return found


def expand(words, found):
    """`$NAME` as a word of its own is split, as systemd does it; `${NAME}` in a word is not."""
    for word in words:
        if word.startswith("$") and word[1:].isidentifier():
            yield from found.get(word[1:], "").split()
        else:
            for name, value in found.items():
                word = word.replace("${" + name + "}", value)
            yield word


def command_of(config, place):
    words = shlex.split(config["ExecStart"][-1])
    if words[:2] != ["/usr/bin/snap", "run"]:
        return list(expand(words, variables(config, place)))
    snap = words[2].partition(".")[0]
    return [f"/snap/{snap}/current/kubelet", *read(f"/var/snap/{snap}/current/args", "").split()]


def start(unit, config, place):
    words = command_of(config, place)
    program = os.path.realpath(real(words[0]))[len(real("")):]
    write(f"{PROCESS}/comm", "kubelet\n")
    write(f"{PROCESS}/cmdline", "".join(word + "\0" for word in words))
    write(f"{PROCESS}/cgroup", f"0::/system.slice/{unit}\n")
    remove(f"{PROCESS}/exe")
    os.symlink(program, real(f"{PROCESS}/exe"))


def stop(unit, config):
    remove_tree(PROCESS)


# ---- programs ----

def main(arguments):
    if list(arguments) != ["--version"]:
        raise Failure(f"kubelet: this one does not know: {' '.join(arguments)}")
    say(read("/.machine/kubelet-version", "Kubernetes v1.34.4\n"), end="")


def args_of(settings):
    return "".join(f'--{key}={value}\n' for key, value in sorted(settings.items()))


def snap(arguments):
    """snap get, set and unset; the settings' snap has a hook that writes the daemon's flags."""
    verb, name, *items = arguments
    if not exists(f"/snap/{name}"):
        raise Failure(f'error: snap "{name}" is not installed')
    state = json.loads(read(SNAPD))
    settings = state["data"]["config"].setdefault(name, {})
    if verb == "get":
        if items[0] not in settings:
            raise Failure(f'error: snap "{name}" has no "{items[0]}" configuration option')
        say(settings[items[0]])
        return
    if verb not in ("set", "unset"):
        raise Failure(f"error: unknown command \"{verb}\", see 'snap help'.")
    for item in items:
        key, _, value = item.partition("=")
        settings.pop(key, None)
        if verb == "set":
            settings[key] = value
    write(SNAPD, json.dumps(state, sort_keys=True) + "\n", 0o600)
    if is_file(f"/var/snap/{name}/current/args"):
        write(f"/var/snap/{name}/current/args", args_of(settings))
