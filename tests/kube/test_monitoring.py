"""deploy/monitoring: alerts that fire and do not, and names that exist: metrics, labels, faults, runbooks."""

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
MONITORING = ROOT / "deploy/monitoring"

# Of others: Prometheus itself, and kube-state-metrics.
FOREIGN = {"up", "ALERTS", "kube_node_info"}
# Labels of the scraping, not of the agent.
TARGET_LABELS = {"job", "instance", "node"}

# Words of PromQL that are no metric.
WORDS = {"sum", "count", "max", "min", "avg", "topk", "by", "on", "and", "or", "unless", "ignoring", "group_left",
         "rate", "increase", "time", "vector", "absent", "histogram_quantile", "max_over_time", "bool", "without"}
SELECTOR = r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?![a-zA-Z0-9_:]*\s*\()\s*(?:\{([^}]*)\})?"


def tables(heading):
    """The rows of the first table below a heading of docs/agent.md, each a list of cells."""
    section = (ROOT / "docs/agent.md").read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split(" |")] for line in section.splitlines() if line[:1] == "|"]
    assert len(rows) > 2, f"docs/agent.md has no table below '{heading}'"
    return rows[2:]


def words(cell):
    return set(re.findall(r"`([^`]+)`", cell))


# What the agent serves, {name: labels}: the document's list, which rules and dashboard are held against. A histogram
# is named without its suffix.
METRICS = {words(name).pop(): words(labels) | ({"le"} if kind == "histogram" else set())
           for name, kind, labels, _ in tables("Metrics")}
FAULTS = {words(row[0]).pop() for row in tables("What it makes of each fault")}
RESULTS = {words(row[0]).pop(): words(row[3]) for row in tables("Metrics") if "`result`" in row[2]}


def rules():
    groups = yaml.safe_load((MONITORING / "berth.rules.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def dashboard():
    return json.loads((MONITORING / "berth.dashboard.json").read_text())


def panels():
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def queries():
    """(where it is from, expression) of everything that asks Prometheus."""
    found = [(rule["alert"], rule["expr"]) for rule in rules()]
    found += [(panel["title"], target["expr"]) for panel in panels() for target in panel["targets"]]
    found += [(f"variable {v['name']}", v["query"]["query"].removeprefix("label_values(").partition(",")[0])
              for v in dashboard()["templating"]["list"] if v["type"] == "query"]
    return found


def selectors(expression):
    """[(metric, {label: (operator, value)})] of an expression."""
    bare = re.sub(r"\b(?:by|on|without|ignoring|group_left) *\([^)]*\)", " ", expression)
    bare = re.sub(r"\[[^\]]*\]", " ", bare)
    found = []
    for name, matchers in re.findall(SELECTOR, strip_strings(bare)):
        if name in WORDS:
            continue
        labels = re.findall(r'(\w+) *(=~|!~|!=|=) *"(\d+)"', matchers)
        found.append((name, {label: (operator, STRINGS[int(index)]) for label, operator, index in labels}))
    return found


STRINGS = []


def strip_strings(expression):
    """Strings by their number, so that no word in one looks like a metric."""
    def number(match):
        STRINGS.append(match[1])
        return f'"{len(STRINGS) - 1}"'

    return re.sub(r'"([^"]*)"', number, expression)


def test_the_lists_are_read_whole():
    assert METRICS["berth_sandbox_used_bytes"] == {"sandbox", "name", "engine"} and len(METRICS) > 25
    assert {"docker-dead", "pool-broken", "api-unreachable"} < FAULTS and len(FAULTS) > 10
    assert RESULTS["berth_repairs_total"] == {"repaired", "failed", "left"}


def test_the_way_names_are_found():
    """A test of the tests: what they would overlook, they would let pass."""
    text = 'sum by (node) (increase(a_total{x="sum", y!~"b_c|d"}[1h])) > 3 unless on (job) time() - up{job="e"} > 0'
    assert selectors(text) == [("a_total", {"x": ("=", "sum"), "y": ("!~", "b_c|d")}), ("up", {"job": ("=", "e")})]
    assert [name for name, _ in selectors("max by (node) (max_over_time(f[6h])) and on (node) g")] == ["f", "g"]


def base(name):
    return re.sub(r"_(bucket|sum|count)$", "", name) if name not in METRICS else name


@pytest.mark.parametrize("where, expression", queries(), ids=lambda value: value[:40])
def test_every_name_exists(where, expression):
    found = selectors(expression)
    assert found, f"{where}: no metric in {expression}"
    for name, matchers in found:
        assert base(name) in METRICS or name in FOREIGN, f"{where}: there is no metric {name}"
        for label, (operator, value) in matchers.items():
            known = {"alertname", "alertstate"} if name == "ALERTS" else METRICS.get(base(name), set()) | TARGET_LABELS
            assert label in known, f"{where}: {name} has no label {label}"
            values = FAULTS if label == "fault" else RESULTS.get(name) if label == "result" else None
            if values:
                named = set(value.split("|")) if operator in ("=~", "!~") else {value}
                assert named <= values, f"{where}: {named - values} is no value of {label}"


def test_grouping_is_by_labels_that_exist():
    known = TARGET_LABELS | set().union(*METRICS.values())
    for where, expression in queries():
        for labels in re.findall(r"\b(?:by|on|without|ignoring) *\(([^)]*)\)", expression):
            assert set(re.split(r" *, *", labels.strip())) <= known, f"{where}: {labels}"


def test_every_metric_is_shown_or_alerted_on():
    used = {base(name) for _, expression in queries() for name, _ in selectors(expression)}
    assert set(METRICS) <= used


def test_every_fault_reaches_somebody():
    """Each fault, when it stays, fires at least one alert by itself."""
    reached = set()
    for rule in rules():
        for name, matchers in selectors(rule["expr"].partition(" unless ")[0]):
            if name == "berth_fault_active":
                operator, value = matchers["fault"]
                named = set(value.split("|"))
                reached |= FAULTS - named if operator == "!~" else named
    assert reached == FAULTS


# ---- alerts ----


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_says_what_is_wrong_and_what_to_do(rule):
    assert re.fullmatch(r"Berth[A-Z]\w+", rule["alert"])
    assert re.fullmatch(r"\d+[smhd]", rule["for"])
    assert rule["labels"] == {"severity": rule["labels"]["severity"]}
    assert rule["labels"]["severity"] in ("critical", "warning", "info")
    annotations = rule["annotations"]
    assert set(annotations) == {"summary", "description", "runbook_url"}
    assert len(annotations["summary"]) < 120 and annotations["description"].endswith(".")
    assert "\n" not in annotations["description"].strip()


def test_names_of_alerts_differ():
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names))


def slug(heading):
    """The anchor that GitHub and others make of a heading."""
    return re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-")


def anchors(document):
    text = re.sub(r"^```.*?^```", "", (ROOT / document).read_text(), flags=re.M | re.S)
    return {slug(heading) for heading in re.findall(r"^#+ (.*)$", text, re.M)}


def runbooks():
    return {rule["annotations"]["runbook_url"] for rule in rules()}


@pytest.mark.parametrize("runbook", sorted(runbooks()))
def test_the_runbook_is_there(runbook):
    document, _, anchor = runbook.partition("#")
    assert anchor in anchors(document), f"{document} has no section #{anchor}"


def test_the_readme_lists_the_runbooks():
    rows = dict(re.findall(r"^\| \[#([a-z-]+)\]\([^)]*\) \| (.*) \|$", (MONITORING / "README.md").read_text(), re.M))
    wanted = {}
    for rule in rules():
        wanted.setdefault(rule["annotations"]["runbook_url"].partition("#")[2], []).append(f"`{rule['alert']}`")
    assert rows == {anchor: ", ".join(names) for anchor, names in wanted.items()}


# ---- promtool ----


def run(promtool, *arguments, folder=MONITORING):
    done = subprocess.run([promtool, *arguments], cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    return done.returncode, done.stdout + done.stderr


def test_promtool_takes_the_rules(promtool):
    code, said = run(promtool, "check", "rules", "berth.rules.yaml")
    assert code == 0 and f"{len(rules())} rules found" in said, said


def test_promtool_runs_the_tests(promtool):
    code, said = run(promtool, "test", "rules", "berth.rules.test.yaml")
    assert code == 0 and "SUCCESS" in said, said


def test_every_alert_fires_once_and_is_silent_once():
    fires, silent = set(), set()
    for case in yaml.safe_load((MONITORING / "berth.rules.test.yaml").read_text())["tests"]:
        for expected in case["alert_rule_test"]:
            (fires if expected["exp_alerts"] else silent).add(expected["alertname"])
    names = {rule["alert"] for rule in rules()}
    assert fires == names and silent == names


@pytest.mark.parametrize("wrong, right", [
    ("berth_gave_up == 1", "berth_gave_up == 2"), ("< 0.10", "< 0.01"), ("> 3600", "> 36000"),
    ('up{job="berth"} == 0', 'up{job="berth"} == 2'), (">= 0.98", ">= 1.2")])
def test_the_tests_notice_a_wrong_rule(promtool, tmp_path, wrong, right):
    text = (MONITORING / "berth.rules.yaml").read_text()
    assert wrong in text
    (tmp_path / "berth.rules.yaml").write_text(text.replace(wrong, right))
    (tmp_path / "test.yaml").write_text((MONITORING / "berth.rules.test.yaml").read_text())
    code, said = run(promtool, "test", "rules", "test.yaml", folder=tmp_path)
    assert code == 1 and "FAILED" in said


def test_promtool_takes_the_dashboards_queries(promtool, tmp_path):
    """As rules, with Grafana's variables put in: a typing error would else be seen at three in the morning."""
    made = [{"record": f"panel:{number}", "expr": fill(expression)} for number, (_, expression) in enumerate(queries())]
    path = tmp_path / "queries.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": made}]}))
    code, said = run(promtool, "check", "rules", str(path))
    assert code == 0, said


def fill(expression):
    filled = expression.replace("$__rate_interval", "5m").replace("$__range", "6h").replace("$host", ".*")
    assert "$" not in filled, expression
    return filled


# ---- the dashboard ----


def test_the_dashboard_can_be_imported():
    board = dashboard()
    assert board["uid"] == "berth-hosts" and len(board["uid"]) <= 40 and "id" not in board
    variables = {v["name"]: v for v in board["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource" and variables["datasource"]["query"] == "prometheus"
    for thing in [*panels(), *(t for p in panels() for t in p["targets"]), variables["host"]]:
        assert thing["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


def test_panels_have_a_title_and_a_place_of_their_own():
    board = dashboard()
    assert len({p["id"] for p in board["panels"]}) == len(board["panels"])
    assert len({p["title"] for p in board["panels"]}) == len(board["panels"])
    taken = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        across, down = (range(place[at], place[at] + place[size]) for at, size in (("x", "w"), ("y", "h")))
        cells = {(x, y) for x in across for y in down}
        assert place["x"] + place["w"] <= 24 and not cells & taken, panel["title"]
        taken |= cells


def test_a_panel_names_its_queries_apart():
    for panel in panels():
        names = [target["refId"] for target in panel["targets"]]
        assert len(names) == len(set(names)), panel["title"]


# ---- monitors ----


def monitors():
    found = []
    for name in ("podmonitor", "servicemonitor"):
        found += [o for o in yaml.safe_load_all((MONITORING / f"{name}.yaml").read_text()) if o["kind"] != "Service"]
    return found


@pytest.mark.parametrize("monitor", monitors(), ids=lambda monitor: monitor["kind"])
def test_monitors_name_the_node_and_the_job(monitor):
    assert monitor["apiVersion"] == "monitoring.coreos.com/v1"
    (endpoint,) = monitor["spec"]["podMetricsEndpoints" if monitor["kind"] == "PodMonitor" else "endpoints"]
    assert (endpoint["port"], endpoint["path"]) == ("metrics", "/metrics")
    relabelings = {r["targetLabel"]: r for r in endpoint["relabelings"]}
    assert relabelings["node"]["sourceLabels"] == ["__meta_kubernetes_pod_node_name"]
    assert relabelings["job"]["replacement"] == "berth"
    # The rules know the agents by this job alone.
    jobs = {m["job"][1] for rule in rules() for _, m in selectors(rule["expr"]) if "job" in m}
    assert jobs == {"berth"}


def test_the_service_of_the_servicemonitor_selects_the_charts_pods():
    service, monitor = yaml.safe_load_all((MONITORING / "servicemonitor.yaml").read_text())
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert service["spec"]["selector"] == {"app.kubernetes.io/name": "berth"}
    assert service["spec"]["publishNotReadyAddresses"] is True
