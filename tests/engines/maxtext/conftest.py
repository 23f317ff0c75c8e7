"""MaxText and what it stands on warn as they are imported, which is before a test's own filters hold."""

import warnings
from importlib.util import find_spec

import pytest

if find_spec("maxtext") is not None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import grpoctl.engines.tunix.maxtext_lora  # noqa: F401


@pytest.fixture(scope="session")
def engine() -> str:
    return "maxtext"
