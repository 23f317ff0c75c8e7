"""Which engines are there, and what does each need to be installed?"""

from dataclasses import dataclass
from importlib import metadata


@dataclass(frozen=True)
class EngineNeeds:
    """What an engine is and the packages it stands on; the extra of the same name installs them."""

    title: str
    packages: tuple[str, ...]
    python: tuple[int, int] = (3, 11)


ENGINES: dict[str, EngineNeeds] = {
    "trl": EngineNeeds(
        "PyTorch with TRL and PEFT, on CPU or GPU", ("torch", "transformers", "trl", "peft", "datasets")
    ),
    "tunix": EngineNeeds("JAX with Tunix, on CPU or TPU", ("jax", "flax", "google-tunix", "qwix", "orbax-checkpoint")),
    "maxtext": EngineNeeds(
        "MaxText's models under Tunix, on TPU",
        ("jax", "flax", "google-tunix", "qwix", "maxtext"),
        python=(3, 12),
    ),
    "mlp": EngineNeeds("a small network on digits, on JAX", ("jax", "flax")),
}


def installed_version(package: str) -> str | None:
    """The version of a package, found without importing it."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def missing_packages(packages: tuple[str, ...]) -> list[str]:
    """Those that this Python lacks."""
    return [package for package in packages if installed_version(package) is None]
