"""docs/agent.md tells the faults and metrics that there are, and no other."""

import re

import surface

PAGE = (surface.ROOT / "docs/agent.md").read_text(encoding="utf-8")


def source(name):
    return (surface.ROOT / "src/agent" / name).read_text(encoding="utf-8")


def rows(heading):
    part = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")]
            for line in part.splitlines() if line.startswith("| `")]


def faults():
    """[(name, has a repair)] of the table in the code."""
    return re.findall(r'\{\s*"([a-z-]+)", "[^"]+",\s+(REPAIR_\w+)', source("fault.c"))


def test_faults():
    told = [row[0].strip("`") for row in rows("What it makes of each fault")]
    assert told == [name for name, _ in faults()]


def test_what_has_no_repair_says_so():
    by_itself = {row[0].strip("`"): row[2] for row in rows("What it makes of each fault")}
    for name, repair in faults():
        acts = by_itself[name].lower().startswith(("starts", "sigcont", "puts", "mounts", "evicts"))
        assert acts == (repair != "REPAIR_NONE"), name


def test_sources():
    names = re.search(r"SOURCES\[SOURCE_COUNT\] = \{ ([^}]+) \}", source("metrics.c"))[1]
    assert [row[0].strip("`") for row in rows("What tells it")] == re.findall(r'"(\w+)"', names)


def metrics():
    """{name: type} in the code, the names as they are scraped."""
    text = source("metrics.c") + source("kube_metrics.c")
    found = dict(re.findall(r'family\(out, "(\w+)", "(\w+)"', text))
    found.update(dict.fromkeys(re.findall(r'(?:gauge\(out|each_sandbox\(out, usages), "(\w+)"', text), "gauge"))
    found["berth_repair_duration_seconds"] = "histogram"
    return {name + {"counter": "_total", "info": "_info"}.get(kind, ""): kind for name, kind in found.items()}


def test_metrics():
    assert {row[0].strip("`"): row[1] for row in rows("Metrics")} == metrics()
