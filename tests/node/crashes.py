"""Tells a guest kernel that an emulator crashed from a test that failed.

Emulated processors now and then run what another one has just patched (static keys, calls): the kernel
meets an instruction that is not there any more, and panics. No hardware does so, and no second run at
the same place. What a kernel says as it crashes is noted with the test, which is then run once more.
"""

import re

PROPERTY = "emulated kernel crashed"

_CRASH = re.compile(r"^.*(?:Kernel panic - not syncing|Oops: |int3: 0000|invalid opcode: 0000|kernel BUG at"
                    r"|general protection fault|BUG: unable to handle|double fault).*$", re.MULTILINE)


def crash(console):
    """The first line of *console*'s text with which a kernel crashes, or None."""
    found = _CRASH.search(console)
    return found.group().strip() if found else None


def note(item, nodes):
    """Note with the failed test *item* that the kernel of one of *nodes* crashed, where that is the emulator's."""
    for node in nodes:
        line = None if node.accelerated else crash(node.console())
        if line:
            item.user_properties.append((PROPERTY, f"{node.name}: {line}"))
