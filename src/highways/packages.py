"""Versions of packages that are installed."""

import importlib.metadata


def installed(package: str) -> str | None:
    """Return the version of a package, which is not imported for that; `None` where it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
