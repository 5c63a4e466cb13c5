"""What the manual and the documents say is what the program does."""

import re
import shlex
import subprocess

import pytest

import surface

# Nothing of these belongs into what users read.
BANNED = [r"(?<![\w.])/work/", r"/home/\w", r"/root/\.", r"\bTODO\b", r"\bFIXME\b", r"\bXXX\b",
          r"(?i)lorem ipsum", r"\bTBD\b"]
TEXTS = ["*.md", "man/*.8", "man/*.5.in", "completions/*", "packaging/*"]

commands = pytest.mark.parametrize("command", sorted(surface.manual_commands()))
documents = pytest.mark.parametrize("path", surface.documents(),
                                    ids=lambda p: str(p.relative_to(surface.ROOT)))


def read(path):
    return path.read_text(encoding="utf-8")


# ---- the manual ----


def test_manual_has_the_commands_of_the_help():
    assert set(surface.manual_commands()) == set(surface.help_commands())


@commands
def test_manual_has_every_option_of_the_help(command):
    documented = surface.manual_options(command) | surface.manual_common()
    assert surface.help_options(command) <= documented
    assert surface.manual_common() == surface.COMMON


@commands
def test_every_option_of_the_manual_is_accepted(command):
    for option in surface.manual_options(command):
        bare = surface.run(command, option, "--help")
        valued = surface.run(command, option, "1", "--help")
        assert 0 in (bare.returncode, valued.returncode), f"berth {command} {option}: {bare.stderr}"


def test_an_unknown_option_is_not_accepted():
    assert surface.run("plan", "--no-such-option", "--help").returncode == 64


def test_synopsis_and_list_agree():
    """Each command's options in the synopsis are those of its entry below COMMANDS."""
    synopsis = surface.manual().partition(".Sh SYNOPSIS\n")[2].partition("\n.Sh ")[0]
    found = {}
    for entry in synopsis.split(".Nm\n")[1:]:
        name = re.match(r"\.Cm (\w+)", entry)[1]
        found.setdefault(name, set()).update(re.findall(r"Fl (-[a-z-]+)", entry))
    assert found == surface.manual_commands()


def test_manual_has_the_steps():
    body = surface.manual().partition(".Sh DESCRIPTION\n")[2].partition("\n.Sh ")[0]
    assert re.findall(r"^\.It Sy ([a-z-]+)", body, re.MULTILINE) == surface.steps()


@pytest.mark.parametrize("step", surface.steps())
def test_steps_exist(step, tmp_path):
    # A host that is not there: the step's name is looked at before it is.
    answer = surface.run("plan", "--step", step, "--root", str(tmp_path / "none"))
    assert answer.returncode == 1 and "no step" not in answer.stderr


def test_a_step_that_is_none(tmp_path):
    assert surface.run("plan", "--step", "nope", "--root", str(tmp_path / "none")).returncode == 64


def exit_codes():
    text = read(surface.ROOT / "src/node/exit_code.h")
    return set(re.findall(r"EXIT_\w+ = (\d+),", text))


def test_manual_has_the_exit_codes():
    body = surface.manual().partition(".Sh EXIT STATUS\n")[2].partition("\n.Sh ")[0]
    assert set(re.findall(r"^\.It (\d+)", body, re.MULTILINE)) == exit_codes()


def layout(name):
    """The value of a macro in the headers, with other macros put in."""
    text = "".join(read(surface.ROOT / p) for p in ("src/step/layout.h", "src/change/change.h",
                                                    "src/node/journal.h", "src/node/lock.h"))
    value = re.search(rf"#define {name}\s+(.+?)(?:\s+/\*.*)?$", text, re.MULTILINE)[1]
    return "".join(part.strip('"') if part.startswith('"') else layout(part)
                   for part in value.split(" ") if part)


@pytest.mark.parametrize("macro", ["BERTH_PROGRAM", "JOURNAL_FILE", "BACKUP_DIR", "CACHE_DIR", "POOL_DIR",
                                   "LOCK_FILE", "POOL_LINK", "POOL_SERVICE", "POOL_MOUNT", "DOCKER_MOUNT",
                                   "SYSBOX_MOUNT", "PRUNE_SERVICE", "PRUNE_TIMER", "POOL_AUTO", "POOL_TRIM"])
def test_manual_has_the_files(macro):
    body = surface.manual().partition(".Sh FILES\n")[2].partition("\n.Sh ")[0]
    assert layout(macro) in body


@pytest.mark.parametrize("page", ["berth.8", "berth-config.5"])
def test_manual_pages_are_clean(page):
    path = surface.ROOT / "man/berth.8" if page == "berth.8" else surface.built_page(page)
    lint = subprocess.run(["mandoc", "-Tlint", "-W", "warning", path], capture_output=True, text=True,
                          check=False)
    assert (lint.returncode, lint.stdout + lint.stderr) == (0, "")


# ---- berth-config(5) and the example ----


def page_settings():
    """{key: (type line, default)} of the page."""
    text = read(surface.built_page("berth-config.5"))
    entries = re.findall(r"^\.It Sy ([a-z0-9_.]+)\n(\w+(?: \(.*\))?), default(?: empty\.|\n\.Ql (.*) \.)$",
                         text, re.MULTILINE)
    return {key: (kind, default) for key, kind, default in entries}


def test_page_has_every_setting_and_default():
    page = {key: default for key, (_, default) in page_settings().items()}
    assert page == surface.settings()


@pytest.mark.parametrize("key", sorted(surface.settings() if surface.BERTH.exists() else []))
def test_bounds_of_the_page_hold(key, tmp_path):
    """The bounds and choices that the page names are taken, and what is beyond them is not."""
    kind, default = page_settings()[key]
    section, _, name = key.rpartition(".")

    def check(value):
        path = tmp_path / "config.yaml"
        path.write_text(f'{section}:\n  {name}: "{value}"\n' if section else f'{name}: "{value}"\n')
        return surface.run("config", "check", str(path)).returncode

    bounds = re.search(r"from (\S+) to (\w+)", kind)
    choices = re.match(r"choice \((.*)\)", kind)
    if bounds:
        number, unit = re.match(r"(\d+)(\w*)", bounds[2]).groups()
        high = {"P": f"{int(number) << 10}T"}.get(unit, bounds[2])
        beyond = {"P": f"{(int(number) << 10) + 1}T"}.get(unit, f"{int(number) + 1}{unit}")
        assert (check(bounds[1]), check(high), check(beyond)) == (0, 0, 1)
    elif choices:
        assert [check(word) for word in re.split(", | or ", choices[1])].count(1) == 0
        assert check("nope") == 1
    elif kind == "boolean":
        assert (check("true"), check("false"), check("nope")) == (0, 0, 1)
    else:
        assert kind in ("string", "path") and check(default) == 0


def test_example_is_all_comments_and_all_settings(tmp_path):
    text = read(surface.built_page("config.yaml.example"))
    assert all(not line or line.startswith("#") for line in text.splitlines())
    live = tmp_path / "config.yaml"
    live.write_text(re.sub(r"^#(?=\w|  )", "", text, flags=re.MULTILINE))
    check = surface.run("config", "show", "--json", "--config", str(live))
    assert check.returncode == 0, check.stderr
    assert '"origin": "default"' not in check.stdout
    values = re.findall(r'^#(?:  )?([a-z_0-9]+): "?(.*?)"?$', text, re.MULTILINE)
    assert [v for _, v in values] == list(surface.settings().values())


def test_example_as_it_is(tmp_path):
    assert surface.run("config", "check", str(surface.built_page("config.yaml.example"))).returncode == 0


# ---- documents ----


def fences(text):
    """[(language, content)] of fenced blocks."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def spans(text):
    """Code spans outside of fenced blocks."""
    text = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    return [" ".join(span.split()) for span in re.findall(r"(?<!`)`([^`]+)`(?!`)", text)]


def quoted_commands(text):
    """Every command line of berth that a document shows: in `spans`, and in fenced sh blocks."""
    lines = spans(text)
    for language, content in fences(text):
        if language == "sh":
            lines += re.sub(r"\\\n\s*", " ", content).splitlines()
    for line in lines:
        line = re.sub(r"^\s*[$#] ", "", line)
        for part in re.split(r"\s*(?:\|\||\||&&|;)\s*", line):
            part = re.sub(r"^(?:[A-Z_]+=\S+ +|sudo +|env +)+", "", part)
            if re.match(r"berth +[a-z-]", part):
                yield re.sub(r"\s+(?:[<>].*|# .*)$", "", part)


def check_command(line):
    words = shlex.split(line)[1:]
    names = set(surface.help_commands()) | surface.hidden_commands()
    command = next((w for w in words if w in names or w == "pool"), None)
    assert command or not [w for w in words if not w.startswith("-")], f"`{line}`: no such command"
    answer = surface.run(*words, "--help")
    assert answer.returncode == 0, f"`{line}`: {answer.stderr}"
    if not command:
        return
    rest = words[words.index(command) + 1:]
    verb = next((w for w in rest if not w.startswith("-")), None)
    verbs = surface.usage_verbs(command)
    if verbs and verb:
        assert verb in verbs, f"`{line}`: berth {command} has no '{verb}'"
    for option, value in zip(rest, rest[1:]):
        assert option != "--step" or value in [*surface.steps(), "NAME"], f"`{line}`: no such step"


def test_the_check_of_commands_finds_faults():
    for wrong in ("berth frobnicate", "berth plan --nope", "berth config forget", "berth plan --step x"):
        with pytest.raises(AssertionError):
            check_command(wrong)
    text = "`sudo berth plan`\n```sh\n$ XFS_STORAGE_SIZE=1G berth install --dry-run | less\n```\n"
    assert list(quoted_commands(text)) == ["berth plan", "berth install --dry-run"]


@documents
def test_quoted_commands_exist(path):
    for line in quoted_commands(read(path)):
        check_command(line)


@documents
def test_links_resolve(path):
    text = re.sub(r"^```.*?^```$", "", read(path), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (path.parent / name) if name else path
        assert file.exists(), f"{target} leads nowhere"
        if anchor:
            assert anchor in anchors(read(file)), f"{target}: no such heading"


def anchors(text):
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).strip().replace(" ", "-") for h in headings}


@documents
def test_settings_and_checks_that_are_named_exist(path):
    known = set(surface.settings()) | surface.check_ids()
    for span in spans(read(path)):
        if re.fullmatch(r"(pool|docker|sysbox|budget|verify|prune|agent|kubernetes|timeouts|kernel|sandbox|network)"
                        r"\.[a-z0-9_-]+", span):
            # Files and units of the same form are no settings.
            if not re.search(r"\.(c|h|py|md|json|service|socket|io)$", span):
                assert span in known, f"{span} is neither a setting nor a check"


# Sentences in the troubleshooting that other programs say.
OTHERS = {"Dependency failed for docker.service", "unsafe procfs detected"}


def seen(text):
    """The sentences of berth that the troubleshooting says one sees."""
    for paragraph in re.findall(r"^- \*\*You see\*\*.*?(?=^- |^$)", text, re.MULTILINE | re.DOTALL):
        for span in spans(paragraph):
            if " " in span and not re.match(r"(docker|berth|GET) ", span):
                yield span


def is_said(sentence, messages):
    fragments = [f.strip() for f in re.split(r"\.\.\.", sentence) if f.strip()]
    return all(any(f in m or m.strip() in f for m in messages) for f in fragments if len(f) > 8)


def test_messages_that_are_quoted_are_said():
    messages = surface.messages()
    quoted = set(seen(read(surface.ROOT / "docs/operations.md")))
    assert len(quoted) > 25
    assert not is_said("berth is in a bad mood today", messages)
    assert [q for q in quoted - OTHERS if not is_said(q, messages)] == []


def test_operations_have_every_alert():
    named = set(re.findall(r"\bBerth[A-Z]\w+", read(surface.ROOT / "docs/operations.md")))
    assert named == surface.alerts() and len(named) > 10


def set_values(text):
    """[(chart, key)] of the `helm ... --set KEY=VALUE` that a document shows."""
    for language, content in fences(text):
        for line in re.sub(r"\\\n\s*", " ", content).splitlines() if language == "sh" else []:
            chart = re.search(r"\bhelm .*\bhelm/([a-z-]+)", line)
            for key in re.findall(r"--set (\S+?)=", line) if chart else []:
                yield chart[1], key


@documents
def test_values_that_are_set_exist(path):
    for chart, key in set_values(read(path)):
        # The agent's settings are a map without entries there.
        setting = re.fullmatch(r"(?:runner\.dockerInstaller\.)?config\.(.+)", key)
        known = setting[1] in surface.settings() if setting else key in surface.chart_values(chart)
        assert known or key in surface.chart_values(chart), f"helm/{chart} has no {key}"


def test_the_check_of_values_finds_faults():
    text = "```sh\nhelm upgrade berth helm/berth \\\n\t--set listen.adress=nodeIP --set listen.port=1\n```\n"
    assert list(set_values(text)) == [("berth", "listen.adress"), ("berth", "listen.port")]
    assert {key in surface.chart_values("berth") for _, key in set_values(text)} == {True, False}


def test_targets_of_make_that_are_named_exist():
    targets = set(re.findall(r"^([a-z][a-z -]*):", read(surface.ROOT / "Makefile"), re.MULTILINE))
    targets = {t for line in targets for t in line.split()}
    for path in surface.documents():
        for span in spans(read(path)) + [c for lang, c in fences(read(path)) if lang == "sh"]:
            for name in re.findall(r"^(?:[A-Z_]+=\S+ )*make ([a-z-]+)", span, re.MULTILINE):
                assert name in targets, f"{path.name}: make {name}"


def test_nothing_banned():
    for pattern in TEXTS:
        for path in surface.documents() if pattern == "*.md" else surface.ROOT.glob(pattern):
            for banned in BANNED:
                found = re.search(banned, read(path))
                assert not found, f"{path}: {found[0]}"


def test_licence_is_whole():
    text = read(surface.ROOT / "LICENSE")
    assert "Version 2.0, January 2004" in text and "END OF TERMS AND CONDITIONS" in text
