"""Every command of docs/operations.md has a test that runs it, or a reason why none does."""

import sys

import surface

sys.path.append(str(surface.ROOT / "tests/node"))
import manual  # noqa: E402  pylint: disable=wrong-import-position


def test_each_command_has_its_place():
    known = {**manual.HOST, **manual.CLUSTER, **manual.ELSEWHERE}
    told = manual.commands()
    assert [words for words in told if words not in known] == []
    assert [words for words in known if words not in told] == []
    assert len(known) == len(manual.HOST) + len(manual.CLUSTER) + len(manual.ELSEWHERE)


def test_tests_that_are_named_are_there():
    for words in manual.ELSEWHERE.values():
        for name in words.replace(",", " ").split():
            if name.endswith(".py"):
                assert (surface.ROOT / name).exists() or (surface.ROOT / "tests/node" / name).exists(), name
