"""What the benchmarks share: ways that take turns, ratios with their spread, the machine's peak, the file."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pandas as pd
import torch

from highways.tracking.environment import processor

Way = Callable[[], float]
"""Does its work once and returns a rate, or the seconds that it took."""


def seconds(work: Callable[[], object]) -> float:
    """Return the seconds that some work takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def interleaved(ways: Mapping[str, Way], repeats: int) -> dict[str, list[float]]:
    """Let every way have a turn, so many times over, and return what each returned, turn by turn.

    Whatever else the machine does meanwhile meets neighbours in turn alike, so that their ratio keeps to it.

    Args:
        ways: By name.
        repeats: Turns of each.
    """
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            rates[name].append(way())
    return rates


def ratio(name: str, ours: Sequence[float], theirs: Sequence[float]) -> dict[str, float]:
    """Return the median of the turns' ratios and its quartiles, as columns `NAME`, `NAME_low`, `NAME_high`.

    Args:
        name: Such as `times_loop`.
        ours: Rates, turn by turn.
        theirs: Of the way beside it, in the same turns.
    """
    ratios = [one / other for one, other in zip(ours, theirs, strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else ratios * 3
    return {name: round(middle, 2), f"{name}_low": round(low, 2), f"{name}_high": round(high, 2)}


def peak_gflops(size: int = 1500) -> float:
    """Return the speed of a large float32 product at the moment, GFLOP/s: the best of five."""
    a, b = torch.randn(size, size), torch.randn(size, size)
    torch.mm(a, b)
    return max(2 * size**3 / seconds(lambda: torch.mm(a, b)) / 1e9 for _ in range(5))


def write(script: str, rows: Sequence[Mapping[str, object]]) -> None:
    """Write the rows of a benchmark beside its script, the processor in the last column.

    Args:
        script: Its `__file__`.
        rows: One a case.
    """
    table = pd.DataFrame([{**row, "processor": processor()} for row in rows])
    table.to_csv(Path(script).with_suffix(".csv"), index=False, lineterminator="\n")
