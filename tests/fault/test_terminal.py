"""berth install on a terminal: a live line of what is going on, and a line for each step that is done."""

import os
import pty
import re
import select
import struct
import subprocess
import termios
import threading
import time
from fcntl import ioctl

import pytest

COLUMNS = 72


@pytest.fixture
def bare(machine):
    machine.build("debian-12")
    machine.prepare()
    return machine


def on_terminal(machine, *words, term="xterm", **extra):
    """What it writes to a terminal of COLUMNS columns, as it comes."""
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
    with subprocess.Popen([machine.program, "--root", str(machine.root), *words], stdin=theirs, stdout=theirs, stderr=theirs,
                          env=machine.environment({"TERM": term, **extra})) as process:
        os.close(theirs)
        text, end = b"", time.monotonic() + 120
        while time.monotonic() < end:
            if select.select([ours], [], [], 1)[0]:
                try:
                    text += os.read(ours, 65536)
                except OSError:  # nobody has the other end any more
                    break
            elif process.poll() is not None:
                break
        os.close(ours)
        assert process.wait(10) == 0, text.decode()
    return text.decode()


def screen(text):
    """The lines that stay, as a terminal shows them: \\r goes back, CSI K clears to the right, CSI n C goes on."""
    lines, column = [[]], 0
    for part in re.findall(r"\x1b\[[0-9;]*[A-Za-z]|.|\n", text, re.S):
        if part == "\n":
            lines, column = [*lines, []], 0
        elif part == "\r":
            column = 0
        elif part.endswith("K") and part.startswith("\x1b"):
            del lines[-1][column:]
        elif part.endswith("C") and part.startswith("\x1b"):
            column += int(part[2:-1])
        elif not part.startswith("\x1b"):
            lines[-1] += " " * (column + 1 - len(lines[-1]))
            lines[-1][column] = part
            column += 1
    return ["".join(line).rstrip() for line in lines]


def test_a_live_line_and_then_the_steps(bare):
    bare.order("hold-apt-get")
    threading.Timer(3.5, bare.no_orders).start()
    text = on_terminal(bare, "install")
    live = re.findall(r"\r\x1b\[K(  \. [^\r\n]*)", text)
    assert [line for line in live if "apt" in line or "package" in line], live
    assert all(len(line) < COLUMNS for line in live)
    # Its clock goes on while a program works and says nothing.
    assert re.search(r"\r\x1b\[17C +[2-4]s", text), text
    shown = screen(text)
    assert not [line for line in shown if line.startswith("  . ")], shown
    for step in ("fetch", "kernel", "docker", "sysbox", "pool", "services"):
        assert [line for line in shown if re.match(rf"  ok {step} +[0-9.]+m?s ", line)], (step, shown)
    assert "This machine is a sandbox host." in text and "\x1b[32mok" in text


def test_without_colour_or_a_real_terminal(bare):
    text = on_terminal(bare, "install", NO_COLOR="1")
    assert "\x1b[32m" not in text and "\r\x1b[K" in text
    assert bare.berth("uninstall").code == 0
    assert "\x1b" not in on_terminal(bare, "install", term="dumb")
