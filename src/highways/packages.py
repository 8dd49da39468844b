"""Versions of installed packages."""

import importlib.metadata


def installed(package: str) -> str | None:
    """Return the version of a package without importing it; `None` if it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
