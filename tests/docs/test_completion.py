"""Completions, in the real shells: what is offered is what the program takes."""

import os
import pty
import select
import shutil
import subprocess
import time

import pytest

import surface

BASH = r"""
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
_berth
printf '%s\n' "${COMPREPLY[@]}"
"""

# compadd is asked twice: once for what matches, then for what it really does.
ZSH = r"""
PS1= RPS1= PROMPT_SP=
unsetopt prompt_cr prompt_sp zle_bracketed_paste 2>/dev/null
fpath=({directory} $fpath)
autoload -Uz compinit; compinit -u -D
compadd() {{
	[[ " $* " == *' '-[A-Za-z0-9]#[OAD]' '* ]] && {{ builtin compadd "$@"; return }}
	local -a hits
	builtin compadd -A hits "$@"
	print -rl -- $hits >>{out}
	builtin compadd "$@"
}}
setopt extended_glob
zstyle ':completion:*' list-prompt ''
offer() {{ _main_complete "$@"; print END >>{out} }}
zle -C offer list-choices offer
bindkey '^I' offer
print READY >>{out}
"""

shells = pytest.mark.parametrize("shell", ["bash", "zsh"])


def bash(*words):
    """What bash offers for the last word."""
    out = subprocess.run(["bash", "--norc", "-c", BASH, "bash", surface.ROOT / "completions/berth.bash",
                          "berth", *words], capture_output=True, text=True, check=True)
    assert not out.stderr, out.stderr
    return {word for word in out.stdout.splitlines() if word}


class Zsh:
    """An interactive zsh on a terminal of its own."""

    def __init__(self, directory):
        self.out = directory / "out"
        self.out.touch()
        script = directory / "rc"
        script.write_text(ZSH.format(directory=surface.ROOT / "completions", out=self.out))
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM="dumb", COLUMNS="200", LINES="1000", HOME=str(directory))
            os.execvp("zsh", ["zsh", "-f", "-i"])
        self.send(f"source {script}\n")
        self.wait("READY")

    def send(self, text):
        os.write(self.terminal, text.encode())

    def wait(self, word):
        until = time.monotonic() + 20
        while word not in self.out.read_text().split():
            assert time.monotonic() < until, f"zsh does not answer: {self.out.read_text()}"
            if select.select([self.terminal], [], [], 0.02)[0]:
                os.read(self.terminal, 65536)

    def __call__(self, *words):
        self.out.write_text("")
        self.send(" ".join(["berth", *words]) + "\t")
        self.wait("END")
        self.send("\x15")  # the line away
        return {line.removesuffix("=") for line in self.out.read_text().splitlines()} - {"END", ""}

    def close(self):
        os.close(self.terminal)
        os.waitpid(self.pid, 0)


@pytest.fixture(scope="module")
def zsh(tmp_path_factory):
    if not shutil.which("zsh"):
        pytest.skip("zsh is not installed")
    shell = Zsh(tmp_path_factory.mktemp("zsh"))
    yield shell
    shell.close()


@pytest.fixture
def complete(shell, request):
    return bash if shell == "bash" else request.getfixturevalue("zsh")


@shells
def test_commands(complete):
    assert complete("") == set(surface.help_commands())
    assert complete("un") == {"uninstall"}
    assert complete("--config", "x", "ver") == {"verify", "version"}


@shells
@pytest.mark.parametrize("command", sorted(surface.manual_commands()))
def test_options_of_each_command(complete, command):
    offered = {word for word in complete(command, "--") if word.startswith("--")}
    assert offered == surface.manual_options(command) | surface.manual_common()


@shells
def test_options_before_the_command(complete):
    assert {w for w in complete("--") if w.startswith("--")} == surface.COMMON


@shells
@pytest.mark.parametrize("command", ["plan", "install", "verify"])
def test_steps(complete, command):
    assert complete(command, "--step", "") == set(surface.steps())
    assert complete(command, "--step", "da") == {"daemon-json"}


@shells
def test_verbs(complete):
    assert complete("config", "") == surface.usage_verbs("config")
    assert complete("bundle", "") == surface.usage_verbs("bundle")
    assert complete("pool", "") == surface.usage_verbs("pool")


@shells
@pytest.mark.parametrize("words", [("install", "--bundle"), ("plan", "--bundle"), ("plan", "--config"),
                                   ("bundle", "create", "--output"), ("bundle", "verify"),
                                   ("config", "check")], ids=" ".join)
def test_files(complete, words, tmp_path):
    (tmp_path / "one.bundle").touch()
    (tmp_path / "other.bundle").touch()
    offered = {os.path.basename(w) for w in complete(*words, f"{tmp_path}/o")}
    assert {"one.bundle", "other.bundle"} <= offered


@shells
def test_root_takes_folders_only(complete, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    offered = {os.path.basename(w.rstrip("/")) for w in complete("plan", "--root", f"{tmp_path}/f")}
    assert "folder" in offered and "file" not in offered


def test_bash_value_behind_equals():
    # bash cuts words at "=".
    assert bash("plan", "--step", "=", "po") == {"pool"}
    assert bash("plan", "--step", "=") == set(surface.steps())
    assert "--json" in bash("plan", "--step", "=", "pool", "--")


def test_scripts_are_clean():
    checks = [["bash", "-n", "completions/berth.bash"], ["shellcheck", "-s", "bash", "completions/berth.bash"]]
    if shutil.which("zsh"):
        checks.append(["zsh", "-n", "completions/_berth"])
    for check in checks:
        result = subprocess.run(check, cwd=surface.ROOT, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout + result.stderr
