"""The examples' own words: help, and the table that lists them."""

import re
import subprocess

import pytest

import surface

FOLDER = surface.ROOT / "examples"
SCRIPTS = sorted(path for path in FOLDER.glob("*.sh") if path.name != "common.sh")

scripts = pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)


def call(script, *words):
    return subprocess.run([script, *words], capture_output=True, text=True, timeout=30, check=False)


@scripts
def test_help_tells_what_it_shows_and_how_it_ends(script):
    answer = call(script, "--help")
    assert (answer.returncode, answer.stderr) == (0, "")
    lines = answer.stdout.splitlines()
    assert lines[0].startswith(f"Usage: sudo examples/{script.name} ")
    assert "Exit status: 0" in answer.stdout and "77" in answer.stdout
    assert len(lines) > 4 and "#" not in answer.stdout


@scripts
def test_an_unknown_option_is_not_taken(script):
    answer = call(script, "--no-such-option")
    assert answer.returncode == 64 and "--no-such-option" in answer.stderr


def test_the_table_lists_every_script():
    text = (FOLDER / "README.md").read_text()
    assert set(re.findall(r"^\| `examples/(\S+)`", text, re.MULTILINE)) == {p.name for p in SCRIPTS}
