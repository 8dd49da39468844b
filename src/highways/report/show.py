"""Showing tables in notebooks."""

from __future__ import annotations

from pathlib import Path

import pandas as pd


def table(path: Path) -> pd.DataFrame:
    """Return a table as it stands in its file: the cells as text, empty where there is nothing."""
    return pd.read_csv(path, dtype=str, keep_default_na=False)
