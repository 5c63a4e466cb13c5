"""What berth has to offer, as the program, its sources and its manual each tell it."""

import json
import os
import pathlib
import re
import subprocess
import tempfile

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
BERTH = pathlib.Path(os.environ.get("BERTH", ROOT / "build/dev/src/cli/berth")).resolve()

# Options that every command takes; the manual lists them once.
COMMON = {"--root", "--config", "--enter-host", "--quiet", "--help", "--version"}


def run(*words, **options):
    """The program with these words, in a plain environment."""
    environment = {k: v for k, v in os.environ.items() if k != "XFS_STORAGE_SIZE"}
    return subprocess.run([BERTH, *words], capture_output=True, text=True, timeout=30,
                          env=environment, check=False, **options)


def help_commands():
    """{name: summary} of `berth --help`."""
    text = run("--help").stdout
    lines = text.partition("Commands:\n")[2].partition("\n\n")[0].splitlines()
    return dict(line.split(maxsplit=1) for line in lines)


def hidden_commands():
    """Verbs that the help leaves out: for units and for the agent."""
    table = (ROOT / "src/cli/commands.c").read_text()
    return set(re.findall(r'\{ \.name = "(\w+)",(?:(?!\.name =).)*?\.hidden = true', table, re.DOTALL))


def help_options(command):
    """Long options in `berth COMMAND --help`."""
    text = run(command, "--help").stdout.partition("Options:\n")[2]
    return set(re.findall(r"^  (?:-\w, )?(--[a-z-]+)", text, re.MULTILINE))


def usage_verbs(command):
    """The words a command's first operand may be: its usage line names them in small letters."""
    usage = run(command, "--help").stdout.splitlines()[0].removeprefix(f"Usage: berth {command}")
    return set(re.findall(r"(?<![\[\w])[a-z]+", usage.replace("[OPTION...]", "")))


def settings():
    """{"pool.size": default}, as `berth config show` has them; "engine" is of no section."""
    with tempfile.TemporaryDirectory() as empty:  # this machine's own settings do not count
        shown = json.loads(run("config", "show", "--json", "--root", empty).stdout)
    found = {}
    for section, keys in shown.items():
        entries = {section: keys} if "origin" in keys else {f"{section}.{key}": keys[key] for key in keys}
        found.update({key: entry["value"] for key, entry in entries.items()})
    return found


def steps():
    """Names of the steps in the table's order."""
    order = re.findall(r"&step_(\w+)", (ROOT / "src/step/steps.c").read_text())
    names = {}
    for source in (ROOT / "src/step").glob("*.c"):
        found = re.search(r'const struct step step_(\w+) = \{\s*\.name = "([a-z-]+)"',
                          source.read_text())
        if found:
            names[found[1]] = found[2]
    return [names[word] for word in order]


def check_ids():
    """Ids of checks ("pool.quota") that steps report."""
    text = "".join(p.read_text() for p in (ROOT / "src/step").glob("*.c"))
    return set(re.findall(r'"([a-z]+\.[a-z-]+)"', text))


def messages():
    """The literal parts of the sentences in the sources, between what is put into them."""
    parts = set()
    for path in (ROOT / "src").rglob("*.c"):
        text = re.sub(r"/\*.*?\*/", " ", path.read_text(), flags=re.DOTALL)
        for literal in re.findall(r'(?:"(?:[^"\\\n]|\\.)*"\s*)+', text):
            whole = "".join(re.findall(r'"((?:[^"\\\n]|\\.)*)"', literal))
            parts.update(p for p in re.split(r"%[-0-9.*]*(?:zu|ju|u|d|s|ld)?", whole) if len(p.strip()) > 8)
    return parts


def manual():
    """Source of berth(8)."""
    return (ROOT / "man/berth.8").read_text()


def manual_commands():
    """{command: its long options} of the manual's list of commands."""
    body = manual().partition("\n.Sh COMMANDS\n")[2].partition("\n.Sh ")[0]
    parts = re.split(r"^\.It Cm (\w+)\n", body, flags=re.MULTILINE)[1:]
    return {name: set(re.findall(r"^\.It Fl (-[a-z-]+)", text, re.MULTILINE))
            for name, text in zip(parts[::2], parts[1::2])}


def manual_options(command):
    return {f"-{name}" for name in manual_commands()[command]}


def manual_common():
    body = manual().partition("\n.Sh OPTIONS\n")[2].partition("\n.Sh ")[0]
    return {f"-{name}" for line in re.findall(r"^\.It (Fl .*)", body, re.MULTILINE)
            for name in re.findall(r"(?<=Fl )-[a-z-]+", line)}


def built_page(name):
    """A page or file that the build makes, next to the program under test."""
    places = [pathlib.Path(os.environ["BERTH_MAN"])] if "BERTH_MAN" in os.environ else [
        BERTH.parents[2] / "man", BERTH.parent / "meson/man", ROOT / "build/dev/man"]
    for place in places:
        if (place / name).exists():
            return place / name
    raise FileNotFoundError(f"{name} is in none of {', '.join(map(str, places))}: run make dev")


def documents():
    """Every Markdown file of the tree, as git sees it."""
    names = subprocess.run(["git", "ls-files", "-z", "-co", "--exclude-standard", "*.md"], cwd=ROOT,
                           capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in names.split("\0") if name]


def alerts():
    """Names of the alerts that deploy/monitoring has."""
    rules = (ROOT / "deploy/monitoring/berth.rules.yaml").read_text()
    return set(re.findall(r"^ +- alert: (\w+)$", rules, re.MULTILINE))


def chart_values(chart):
    """{"listen.address"}: the paths of a chart's values."""
    def paths(value, prefix):
        if not isinstance(value, dict):
            return
        for key, below in value.items():
            yield f"{prefix}{key}"
            yield from paths(below, f"{prefix}{key}.")

    return set(paths(yaml.safe_load((ROOT / "helm" / chart / "values.yaml").read_text()), ""))
