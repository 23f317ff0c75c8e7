"""What several attacks use."""

from collections.abc import Callable

import pytest

from grpoctl import cli


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    def started(*words: str) -> tuple[int, str]:
        code = cli.main(words)
        said = capfd.readouterr()
        assert "Traceback" not in said.out + said.err
        return code, said.out + said.err

    return started
