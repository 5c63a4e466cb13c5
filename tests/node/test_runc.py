"""berth-runc on a real pool, with faults on command: the cases are in remote/runc_cases.py."""

import json
import os

import budget_host
import pytest
from environment import HERE

pytestmark = pytest.mark.xdist_group("runc")  # one node for all of them
CASES = HERE / "remote/runc_cases.py"
# Which of the moments at which it may be killed: SOAK=1 takes every one.
KILL_STEP = "1" if os.environ.get("SOAK") == "1" else "7"


@pytest.fixture(scope="module")
def results(module_node_factory):
    node = budget_host.derive(module_node_factory)
    node.put(CASES, "/root/runc_cases.py", mode=0o755)
    node.put(CASES.with_name("runc_container.py"), "/root/runc_container.py")
    done = node.run(["/root/runc_cases.py"], timeout=3600, env={"KILL_STEP": KILL_STEP})
    return {result["case"]: result for result in map(json.loads, done.stdout.splitlines())}


def cases():
    lines = CASES.read_text(encoding="utf-8").splitlines()
    return [line[len("def case_"):].split("(")[0] for line in lines if line.startswith("def case_")]


@pytest.mark.parametrize("case", cases())
def test_case(results, case):
    assert results[case]["good"], results[case]["told"]
    if results[case]["told"]:
        print(f"{case}: {results[case]['told']}")
