"""Tests of this engine alone."""

import pytest

pytest.importorskip("trl")


@pytest.fixture(scope="session")
def engine() -> str:
    return "trl"
