"""How many threads: what is given wins, else what was fastest."""

from collections.abc import Iterator

import pytest

torch = pytest.importorskip("torch")

from grpoctl.engines.trl import threads


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    count = torch.get_num_threads()
    yield
    torch.set_num_threads(count)


def test_the_recipe_wins_over_the_environment_and_that_over_a_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert threads.given_threads(2) == 2
    assert threads.given_threads(None) == 3
    for text in ("", "0", "two", "-1"):
        monkeypatch.setenv("OMP_NUM_THREADS", text)
        assert threads.given_threads(None) is None
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert threads.given_threads(None) is None


class Work:
    """A clock that runs as fast as so many threads make it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seconds: dict[int, float]) -> None:
        self.now, self.seconds = 0.0, seconds
        self.tried: list[int] = []
        monkeypatch.setattr("time.perf_counter", lambda: self.now)
        monkeypatch.setattr("time.monotonic", lambda: self.now)

    def __call__(self) -> None:
        self.tried.append(torch.get_num_threads())
        self.now += self.seconds[torch.get_num_threads()]


@pytest.mark.parametrize(("seconds", "fastest"), [({1: 0.3, 2: 0.2}, 2), ({1: 0.2, 2: 0.3}, 1)])
def test_the_fastest_is_taken(seconds: dict[int, float], fastest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    work = Work(monkeypatch, seconds)
    count, taken = threads.probe(work, cores=2)
    assert (count, torch.get_num_threads()) == (fastest, fastest)
    assert taken == pytest.approx(0.2)
    assert work.tried == [2, 2, 1, 2, 1, 2, 1]  # the first only warms up


def test_a_slow_model_is_tried_once_with_every_core(monkeypatch: pytest.MonkeyPatch) -> None:
    work = Work(monkeypatch, {1: 60.0, 2: 30.0, 4: 20.0})
    assert threads.probe(work, cores=4) == (4, 20.0)
    assert work.tried == [4, 4]


def test_one_core_leaves_no_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    assert threads.probe(Work(monkeypatch, {1: 0.1}), cores=1)[0] == 1
