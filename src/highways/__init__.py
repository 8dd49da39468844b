"""Highways: a reproducible replication of Highway Networks.

P1 is Srivastava, Greff, Schmidhuber, *Highway Networks* (arXiv 1505.00387); P2 is *Training Very Deep Networks* by the
same authors (arXiv 1507.06228). Docstrings cite them by these names.
"""

from __future__ import annotations

import importlib.metadata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from highways.config import RunConfig
    from highways.experiments import records
    from highways.training import run, sweep


def installed(package: str) -> str | None:
    """Return the version of a package without importing it; `None` if it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


__version__ = installed("highways") or "0+unknown"  # in a checkout that is not installed

PUBLIC = {"RunConfig": "config", "records": "experiments", "run": "training", "sweep": "training"}
"""Names that are imported on first use, from these subpackages, because torch takes seconds to import."""

__all__ = ["RunConfig", "__version__", "records", "run", "sweep"]


def __getattr__(name: str) -> Any:
    if name not in PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{PUBLIC[name]}"), name)
