"""Documents, manual pages, completions and the package against the program itself."""

import pytest

import surface


@pytest.fixture(scope="session", autouse=True)
def program():
    if not surface.BERTH.exists():
        pytest.fail(f"{surface.BERTH} is not there: run make dev, or name one in BERTH")
