"""Tests of this engine alone."""

import pytest

pytest.importorskip("jax")
pytest.importorskip("tunix")


@pytest.fixture(scope="session")
def engine() -> str:
    return "tunix"
