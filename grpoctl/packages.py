"""Which packages does this Python have? Found without importing any of them."""


def installed_version(package: str) -> str | None:
    from importlib import metadata  # a third of what `grpoctl --help` would take

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def missing_packages(packages: tuple[str, ...]) -> list[str]:
    """Those that this Python lacks."""
    return [package for package in packages if installed_version(package) is None]
