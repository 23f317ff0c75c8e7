"""Which packages does this Python have? Found without importing any of them."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.metadata import Distribution


def installed_version(package: str) -> str | None:
    found = _found(package)
    return found.version if found is not None else None


def missing_packages(packages: tuple[str, ...]) -> list[str]:
    """Those that this Python lacks."""
    return [package for package in packages if _found(package) is None]


def _found(package: str) -> "Distribution | None":
    from importlib import metadata  # a third of what `grpoctl --help` would take

    try:
        return metadata.distribution(package)
    except metadata.PackageNotFoundError:
        return None
