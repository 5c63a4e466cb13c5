"""--json of a run is a stream: one JSON object a line, the last one says how it ended."""

import json

import scenarios


def events(result):
    assert result.code == 0, result
    return [json.loads(line) for line in result.out.splitlines()]


def test_each_line_is_an_event(machine):
    scenarios.bare(machine)
    installed = events(machine.berth("install", "--json"))
    assert all("event" in event for event in installed)
    assert installed[-1]["event"] == "end" and installed[-1]["changed"] is True
    begun = [event for event in installed if event["event"] == "step-begin"]
    ended = [event for event in installed if event["event"] == "step-end"]
    assert len(begun) == len(ended) > 3 and all(event["ok"] for event in ended)

    assert events(machine.berth("install", "--json"))[-1]["changed"] is False
    removed = events(machine.berth("uninstall", "--json"))
    assert removed[-1]["event"] == "end" and removed[-1]["undone"] > 0 and removed[-1]["left"] == 0
