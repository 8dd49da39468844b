"""Few of many steps, so that a curve's record stays small."""

from __future__ import annotations

import torch


def kept_steps(count: int, most: int = 200) -> list[int]:
    """Return which of `count` steps, counted from 0, a record keeps: evenly spread, the first and the last among them.

    Args:
        count: How many there are.
        most: How many are kept at most.
    """
    return torch.linspace(0, count - 1, min(count, most), dtype=torch.float64).round().long().unique().tolist()
