"""Highways: a reproducible replication of Highway Networks.

P1 is Srivastava, Greff, Schmidhuber, *Highway Networks* (arXiv 1505.00387); P2 is *Training Very Deep Networks* by the
same authors (arXiv 1507.06228). Docstrings cite them by these names.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from highways.packages import installed

if TYPE_CHECKING:
    from highways.config import RunConfig
    from highways.experiments import records
    from highways.training import run, sweep

__version__ = installed("highways") or "0+unknown"  # in a checkout that is not installed

PUBLIC = {
    "RunConfig": "highways.config",
    "records": "highways.experiments",
    "run": "highways.training",
    "sweep": "highways.training",
}
"""Names that are imported on first use, because torch takes seconds to import."""

__all__ = ["RunConfig", "__version__", "records", "run", "sweep"]


def __getattr__(name: str) -> Any:
    if name not in PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(PUBLIC[name]), name)
