"""The folder that stands for a machine, as the programs in it see it.

What the machine needs beside its files is in the folder /.machine: the packages its archive offers,
its state at boot, a log of what happened that no file tells, and orders of the test (to fail, to be
cut off).
"""

import os

ROOT = os.environ.get("HOST_ROOT", "")
OWN = "/.machine"
_said = []


class Failure(Exception):
    """A program that does not end well: what it says, and its exit status."""

    def __init__(self, text, status=1):
        super().__init__(text)
        self.status = status


class PowerCut(BaseException):
    """Now everything that runs is gone."""


def say(line="", end="\n"):
    """To the program's standard output."""
    _said.append(line + end)


def said():
    text = "".join(_said)
    _said.clear()
    return text


def real(path):
    return ROOT + path


def read(path, default=None):
    try:
        with open(real(path), encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except FileNotFoundError:
        if default is None:
            raise
        return default


def write(path, text, mode=0o644):
    """Replace a file in one go, its parents made."""
    os.makedirs(os.path.dirname(real(path)), exist_ok=True)
    temp = real(path) + ".new"
    try:
        with open(temp, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
    except OSError:
        os.unlink(temp)
        raise
    os.chmod(temp, mode)
    os.rename(temp, real(path))


def copy(source, target):
    with open(real(source), "rb") as one, open(real(target), "wb") as other:
        other.write(one.read())


def append(path, text):
    with open(real(path), "a", encoding="utf-8") as file:
        file.write(text)


def exists(path):
    return os.path.lexists(real(path))


def is_file(path):
    return os.path.isfile(real(path))


def remove(path):
    try:
        os.unlink(real(path))
    except FileNotFoundError:
        pass


def names(path):
    try:
        return sorted(os.listdir(real(path)))
    except (FileNotFoundError, NotADirectoryError):
        return []


def remove_tree(path):
    """A directory with all below; absent is fine."""
    if os.path.islink(real(path)) or not os.path.isdir(real(path)):
        remove(path)
        return
    empty(path)
    os.rmdir(real(path))


def remove_if_empty(path):
    """The directories below it that hold nothing, and then it, if that leaves it empty."""
    for name in names(path):
        if os.path.isdir(real(f"{path}/{name}")) and not os.path.islink(real(f"{path}/{name}")):
            remove_if_empty(f"{path}/{name}")
    try:
        os.rmdir(real(path))
    except OSError:
        pass


def empty(path):
    """What is in a directory, but not the directory itself."""
    for name in names(path):
        remove_tree(f"{path}/{name}")


def copy_tree(source, target):
    os.makedirs(real(target), exist_ok=True)
    for name in names(source):
        if os.path.isdir(real(f"{source}/{name}")):
            copy_tree(f"{source}/{name}", f"{target}/{name}")
        else:
            write(f"{target}/{name}", read(f"{source}/{name}"))


def log(line):
    with open(real(OWN + "/log"), "a", encoding="utf-8") as file:
        file.write(line + "\n")


def ordered(name):
    """What the test ordered under that name, or None."""
    return read(f"{OWN}/orders/{name}", "").strip() or None


def moment(name):
    """A moment at which the test may cut the power.

    With the order "trace" the moments are only listed; the order "cut" is the number of the one
    to end at.
    """
    if ordered("trace"):
        append(OWN + "/moments", name + "\n")
    left = ordered("cut")
    if left is None:
        return
    if int(left) > 1:
        write(OWN + "/orders/cut", str(int(left) - 1))
        return
    remove(OWN + "/orders/cut")
    raise PowerCut
