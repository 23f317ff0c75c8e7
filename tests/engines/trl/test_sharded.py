"""What is split over processes, and what only seems to be."""

from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("trl")


from grpoctl.engines.trl.sharded import refuse_unsplit
from grpoctl.errors import InputError
from grpoctl.recipe.load import load_recipe


def test_a_split_that_accelerate_does_not_make_is_refused() -> None:
    on_cpu: Any = SimpleNamespace(distributed_type="MULTI_CPU", device=SimpleNamespace(type="cpu"))
    said = "fsdp: is full_shard, and accelerate splits nothing on a CPU; take it out, or use deepspeed."
    with pytest.raises(InputError, match=said):
        refuse_unsplit(load_recipe("quickstart", ["fsdp=full_shard"]), on_cpu)
    refuse_unsplit(load_recipe("quickstart"), on_cpu)
    refuse_unsplit(load_recipe("quickstart", ["fsdp=full_shard"]), SimpleNamespace(distributed_type="FSDP"))
