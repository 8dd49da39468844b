"""Small studies: self-contained programs that answer a source's question without training runs."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor, nn

from highways.claims.values import is_share
from highways.config import DataConfig, Measure, RunConfig
from highways.inside.statistics import FEWEST_FOR_INTERVAL, moments, student_interval
from highways.inside.values import lists
from highways.show.figures import OTHERS, Panel, legend
from highways.show.tables import Row
from highways.tracking import AnalysisRecord, Listed

DARK, LIGHT = OTHERS[4], OTHERS[1]

Quantity = tuple[str, Callable[[Sequence[float]], Sequence[float]]]
"""Name of a version's quantity, and a function that selects the numbers whose mean is a row."""
EVERY, FIRST, LAST = (itemgetter(part) for part in (slice(None), slice(1), slice(-1, None)))
"""Selections of numbers: those of all seeds, the one before training, and the one after it."""


class Bars(NamedTuple):
    """A panel of means over seeds: up to three quantities, by name with a label each, for all versions by default."""

    title: str
    """Title; settings in it, such as `{data}`, are filled in."""
    quantities: Mapping[str, str]
    label: str = "share"
    versions: Sequence[str] = ()


class SmallStudy(Measure):
    """A small program that answers a source's question: its settings, its measurements, and how they are shown."""

    kind: str = ""
    title: ClassVar[str] = ""
    """Text in the first column of its rows."""
    versions: ClassVar[tuple[Any, ...]] = ()
    """What is compared."""
    quantities: ClassVar[Mapping[str, Quantity]] = {}
    """Rows of every version, by their text; `{seeds}` in a text is that setting."""
    numbers: ClassVar[Iterable[tuple[str, str, str]]] = ()
    """Further rows: version, text, name in the record."""
    bars: ClassVar[Sequence[Bars]] = ()
    """Its panels."""
    digits: ClassVar[int] = 6
    """Significant digits of the numbers that are recorded."""

    @property
    def data_set(self) -> DataConfig | None:
        name, examples = (getattr(self, field, None) for field in ("data", "training_examples"))
        return None if name is None else DataConfig(name=name, training_examples=examples)

    def perform(self, run: RunConfig | None, network: nn.Module | None, where: torch.device) -> dict[str, Any]:
        return lists(self.measure(), self.digits)

    def measure(self) -> dict[str, Tensor]:
        """Return the results by name, on the CPU; `stored` gives the names of a version's quantities."""
        raise NotImplementedError

    def rows(self, found: AnalysisRecord) -> Iterator[Row]:
        """Yield the rows of a record: those of `quantities` that a version has, then `numbers`."""
        for version in self.versions:
            for text, (quantity, chosen) in self.quantities.items():
                if (name := stored(version, quantity)) in found.values:
                    yield self.mean(version, text.format_map(vars(self)), name, chosen(found.row(name)))
        for version, text, name in self.numbers:
            values = found.row(name)
            yield self.mean(version, text, name, values) if len(values) > 1 else number(version, text, *values)

    def mean(self, version: str, text: str, name: str, values: Sequence[float]) -> Row:
        """Return the mean over seeds with its interval, cut to the possible range: shares, by name, are 1 at most."""
        row = number(version, text, moments(values)[0], seeds=getattr(self, "seeds", None))
        if len(values) >= FEWEST_FOR_INTERVAL:
            low, high = student_interval(values)
            most = 1.0 if is_share(name) else math.inf
            row |= {"interval_low": max(low, 0.0), "interval_high": min(high, most)}
        return row

    def panels(self, found: AnalysisRecord) -> Iterable[Panel]:
        """Return the panels that show its record, by default those of `bars`."""
        return [self._panel(found, bars) for bars in self.bars]

    def _panel(self, found: AnalysisRecord, bars: Bars) -> Panel:
        versions = bars.versions or self.versions
        means = {
            text: [float(np.mean(found.row(stored(version, quantity)))) for version in versions]
            for quantity, text in bars.quantities.items()
        }

        def draw(axes: Axes) -> None:
            places, width = np.arange(len(versions)), 0.8 / len(means)
            for number, (text, heights) in enumerate(means.items()):
                shift, colour = width * (number - (len(means) - 1) / 2), (DARK, LIGHT, "0.2")[number]
                axes.bar(places + shift, heights, width=width, label=text, color=colour)
            axes.set_xticks(places, [version.replace("_", " ") for version in versions], rotation=20, ha="right")
            axes.grid(visible=False, axis="x")
            axes.set(ylabel=bars.label)
            legend(axes, gap=54)

        parts = [f"{text}: {', '.join(f'{height:.3g}' for height in heights)}" for text, heights in means.items()]
        alt = f"Means over seeds of {', '.join(versions)}. {'; '.join(parts)}."
        return Panel(bars.title.format_map(vars(self)), alt, draw)


def studies_of(records: Listed) -> Iterator[tuple[SmallStudy, AnalysisRecord]]:
    """Yield the small studies among the analyses, each with its record."""
    for found in records.analyses:
        if isinstance(study := found.config.measure, SmallStudy):
            yield study, found


def study_rows(records: Listed) -> Iterator[Row]:
    """Yield a row for each number of the studies.

    Gradients are norms, errors root mean squares. For several seeds the value is the mean; from five seeds on it has a
    95 % interval (Student's, cut to the quantity's possible range). `paper` is the source's number.
    """
    for study, found in studies_of(records):
        yield from ({"study": study.title, "data": found.data} | row for row in study.rows(found))


def study_panels(records: Listed) -> list[Panel]:
    """Return the panels of all studies."""
    return [panel for study, found in studies_of(records) for panel in study.panels(found)]


def stored(version: str, quantity: str) -> str:
    """Return the name of a version's quantity in a record."""
    return f"{version.replace('-', '_')}_{quantity}"


def by_version(versions: Sequence[str], values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return each version's values, `(seeds,)`, by their names in a record; curves, `(steps,)`, are means over seeds.

    The first axis of a quantity's values has all seeds of the first version, then all of the second, and so on.
    """
    return {
        stored(version, quantity): part if part.dim() == 1 else part.mean(dim=0)
        for quantity, all_ in values.items()
        for version, part in zip(versions, all_.chunk(len(versions)), strict=True)
    }


def streams(seeds: Iterable[int]) -> list[torch.Generator]:
    """Return one random generator for each seed."""
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def number(version: str, quantity: str, value: float, **more: float | str | None) -> Row:
    """Return a row of a table of studies; columns that `more` lacks are empty."""
    columns = ("interval_low", "interval_high", "seeds", "paper")
    return {"version": version, "quantity": quantity, "value": value} | dict.fromkeys(columns) | more
