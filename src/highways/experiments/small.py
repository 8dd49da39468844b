"""Small studies: programs of their own that answer a question of a source, without a run."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor, nn

from highways.config import DataConfig, RunConfig
from highways.config.analysis import Measure
from highways.inside.statistics import FEWEST_FOR_INTERVAL, moments, student_interval
from highways.inside.values import lists
from highways.show.figures import OTHERS, Panel, legend
from highways.show.tables import Row
from highways.tracking import AnalysisRecord, Listed

DARK, LIGHT = OTHERS[4], OTHERS[1]


class SmallStudy(Measure):
    """A small program that answers a question of a source: its settings, what it measures, and how that is shown."""

    kind: str = ""
    title: ClassVar[str] = ""
    """In the first column of its rows."""

    @property
    def data_set(self) -> DataConfig | None:
        """See `Measure`."""
        name, examples = (getattr(self, field, None) for field in ("data", "training_examples"))
        return None if name is None else DataConfig(name=name, training_examples=examples)

    def perform(self, run: RunConfig | None, network: nn.Module | None, where: torch.device) -> dict[str, Any]:
        """See `Measure`."""
        return lists(self.measure())

    def measure(self) -> dict[str, Tensor]:
        """Return what is found, by name, a version's quantities as `stored` names them; on the CPU."""
        raise NotImplementedError

    def rows(self, found: AnalysisRecord) -> Iterator[Row]:
        """Yield a row for each number of its record, see `number`."""
        yield from ()

    def panels(self, found: AnalysisRecord) -> list[Panel]:
        """Return the panels that show its record."""
        return []


def studies_of(records: Listed) -> Iterator[tuple[SmallStudy, AnalysisRecord]]:
    """Yield the studies among analyses, each with its record."""
    for found in records.analyses:
        if isinstance(study := found.config.measure, SmallStudy):
            yield study, found


# Versions that are compared


def stored(version: str, quantity: str) -> str:
    """Return the name that a version's quantity has in a record."""
    return f"{version.replace('-', '_')}_{quantity}"


def by_version(versions: Sequence[str], values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return each version's values, `(seeds, ...)`, by their names in a record.

    The first axis of a quantity's values has all seeds of the first version, then all of the second, and so on.
    """
    return {
        stored(version, quantity): part
        for quantity, all_ in values.items()
        for version, part in zip(versions, all_.chunk(len(versions)), strict=True)
    }


def streams(seeds: Iterable[int]) -> list[torch.Generator]:
    """Return a generator of random numbers for each seed."""
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def descend(weights: Sequence[Tensor], loss: Tensor, rate: float) -> None:
    """Take a step of gradient descent."""
    with torch.no_grad():
        for weight, slope in zip(weights, torch.autograd.grad(loss, weights), strict=True):
            weight -= rate * slope


# What is shown of them


def number(
    version: str,
    quantity: str,
    value: float,
    paper: float | None = None,
    ends: tuple[float | None, float | None] = (None, None),
    seeds: int | None = None,
    values: str | None = None,
) -> Row:
    """Return a row of a table of studies."""
    row = {"version": version, "quantity": quantity, "value": value, "interval_low": ends[0], "interval_high": ends[1]}
    return row | {"seeds": seeds, "paper": paper, "values": values}


def mean_number(version: str, quantity: str, values: Sequence[float], most: float = math.inf) -> Row:
    """Return the mean of the seeds with its interval, within 0 and `most`, or with the values where they are few."""
    mean, seeds = moments(values)[0], len(values)
    if seeds < FEWEST_FOR_INTERVAL:
        return number(version, quantity, mean, seeds=seeds, values=" ".join(f"{value:.3g}" for value in values))
    low, high = student_interval(values)
    return number(version, quantity, mean, ends=(max(low, 0.0), min(high, most)), seeds=seeds)


def bar_panel(
    found: AnalysisRecord, title: str, versions: Sequence[str], quantities: Mapping[str, str], label: str
) -> Panel:
    """Return two quantities, by name in the record with a label each, of a study's versions: means over seeds."""
    means = {
        text: [float(np.mean(found.row(stored(version, quantity)))) for version in versions]
        for quantity, text in quantities.items()
    }

    def draw(axes: Axes) -> None:
        places = np.arange(len(versions))
        for shift, colour, (text, heights) in zip((-0.2, 0.2), (DARK, LIGHT), means.items(), strict=True):
            axes.bar(places + shift, heights, width=0.4, label=text, color=colour)
        axes.set_xticks(places, [version.replace("_", " ") for version in versions], rotation=20, ha="right")
        axes.grid(visible=False, axis="x")
        axes.set(ylabel=label)
        legend(axes, gap=54)

    words = [f"{text}: {', '.join(f'{height:.3g}' for height in heights)}" for text, heights in means.items()]
    return Panel(title, f"Means over seeds of {', '.join(versions)}. {'; '.join(words)}.", draw)
