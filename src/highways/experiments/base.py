"""The parts of an experiment, which is one module with one name.

An `Experiment` defines its parameters and the tables and figures that show it; the functions of its module that are
`in_units` measure its claims. In a notebook, `EXPERIMENT.open(globals())` turns it into a `Study`.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import pandas as pd

from highways import paths
from highways.claims.judge import Judgement, frame, judge, read_claims
from highways.claims.values import STUDY_MEASURES, Measures
from highways.claims.verdicts import counted
from highways.config import Profile, load_profile
from highways.errors import HighwaysError
from highways.files import write_all
from highways.inside.analyse import analyse
from highways.show.figures import Drawing, Panel, save
from highways.show.tables import MACHINE, Row, Scrolled, costs, csv_text
from highways.tracking import Listed, MlflowLog, RecordStore, Source, listed_records, run_keys
from highways.training import Sweep, train

if TYPE_CHECKING:  # machines that only train have no Jupyter
    from IPython.display import Image, Markdown

NO_TRAINING = "HIGHWAYS_NO_TRAINING"
"""Environment variable set in the kernel of a stage that only shows what the records contain."""


@dataclass(frozen=True)
class Table:
    """A comparison table.

    Attributes:
        name: Stem of its files, `NAME.csv` and `NAME_cost.csv`.
        build: Makes its rows.
        title: One line for the report.
        shown: The columns that a page shows, with their headings; all by default.
        rows: Selects the dozen or so rows that pages and the report show.
        plot: The two columns that `dvc plots` draws against each other, for the experiment that the report begins with.
        cost: Makes the rows of clock measurements, which are separate so that the table is reproducible to the byte.
    """

    name: str
    build: Callable[[Listed], Iterable[Row]]
    title: str
    shown: Mapping[str, str] = field(default_factory=dict)
    rows: Callable[[pd.DataFrame], pd.DataFrame] = lambda frame: frame
    plot: tuple[str, str] | None = None
    cost: Callable[[Listed], Iterable[Row]] = costs

    def texts(self, records: Listed) -> dict[str, str]:
        """Return the content of the table's files, by file name; without rows, it has the columns that a page shows."""
        cost = csv_text(self.cost(records), ["process_seconds", *MACHINE])
        return {f"{self.name}.csv": csv_text(self.build(records), self.shown), f"{self.name}_cost.csv": cost}


SECTIONS = ("The question", "What was easy", "What was difficult", "What the sources leave open, and what differs here")


def notes_of(experiment: str) -> dict[str, str]:
    """Return the notes on an experiment in `references/notes/`, Markdown by heading; empty if there are none."""
    path = paths.root() / "references" / "notes" / f"{experiment}.md"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    _, *parts = re.split(r"^# (.+)\n", text, flags=re.MULTILINE)
    sections = dict(zip(parts[::2], map(str.strip, parts[1::2]), strict=True))
    if wrong := sections.keys() - set(SECTIONS):
        raise HighwaysError(f"{paths.shown(path)}: no heading {min(wrong)!r}; there are: {'; '.join(SECTIONS)}")
    return {heading: sections.get(heading, "") for heading in SECTIONS}


class Lead(NamedTuple):
    """What the report and README begin with."""

    questions: tuple[tuple[str, str], ...]
    """Questions, each with the claim whose verdict answers it."""
    panel: Callable[[Listed], Panel]
    """Draws the figure that shows the answers."""
    rows: Callable[[Listed], Iterable[Row]]
    """Makes the few numbers that README shows."""


@dataclass(frozen=True)
class Experiment:
    """An experiment.

    Attributes:
        title: Its subject, on one line.
        schema: Its parameters, which list its runs and analyses.
        tables: Its comparison tables.
        figures: Functions that draw each figure from the records, by file name.
        draws: See `Measures`.
        after: Experiments whose records or parameters it uses; it may import no others.
        captions: Captions of all figures but the first, which has the first table's title.
        references: Files of `references/` that its tables and figures read.
        answer: States the outcome from the records, in one paragraph for each data set or one for all.
        lead: What the report begins with, for the first experiment that has one.
    """

    title: str
    schema: type[Profile]
    tables: tuple[Table, ...] = ()
    figures: Mapping[str, Callable[[Listed], Drawing]] = field(default_factory=dict)
    captions: Mapping[str, str] = field(default_factory=dict)
    draws: Callable[[Listed], Sequence[Row]] = lambda records: ()
    after: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    answer: Callable[[Listed], Iterable[str]] = lambda records: ()
    lead: Lead | None = None

    @property
    def name(self) -> str:
        """Name of its notebook, stage, parameter files, results folder and MLflow experiment."""
        return self.schema.experiment

    @property
    def named_measures(self) -> Measures:
        """The functions of its module that are `in_units`, those of studies, and the rows of its tables."""
        module = self.schema.__module__
        own = [one for one in vars(sys.modules[module]).values() if hasattr(one, "unit") and one.__module__ == module]
        return Measures({one.__name__: one for one in (*own, *STUDY_MEASURES)}, self.rows, self.draws)

    def rows(self, records: Listed) -> Iterator[Row]:
        """Yield the rows of all its tables."""
        return (row for table in self.tables for row in table.build(records))

    def command(self, profile: str) -> str:
        """Return the command that produces its results in a profile."""
        return f"highways profile use {profile} && dvc repro {self.name}@{profile}"

    def open(self, namespace: Mapping[str, Any]) -> Study:
        """Return a study with the parameters that a notebook has set as variables; `namespace` is its `globals()`."""
        return Study(self, self.schema.from_namespace(namespace))

    def of(self, profile: str) -> Study:
        """Return a study with a profile's parameters."""
        return Study(self, load_profile(profile, self.schema))


class Study:
    """An experiment with its parameters: trains, analyses, draws, tabulates, judges."""

    def __init__(self, experiment: Experiment, settings: Any):
        self.experiment, self.settings = experiment, settings
        self.results = paths.Results(settings.profile).of(experiment.name)
        self._records: dict[Source, Listed] = {}
        self._written: list[Path] = []

    def records(self, source: Source = "records") -> Listed:
        """Return the available records of what the parameters list; they are read once."""
        if source not in self._records:
            self._records[source] = listed_records(self.settings, source)
        return self._records[source]

    def train(self, threads: int | None = None) -> Sweep:
        """Train every listed run that has no record yet, and return all records; see `highways.training.train`."""
        self._records.clear()
        if NO_TRAINING in os.environ:
            return Sweep([*self.records(), *self.records().auxiliary])
        with self._interruptible():
            return train(self.settings, threads=threads)

    def analyse(self) -> None:
        """Make every listed analysis that has no record yet; see `highways.inside.analyse`."""
        self._records.clear()
        if NO_TRAINING not in os.environ:
            place = {"experiment": self.experiment.name, "profile": self.settings.profile}
            with self._interruptible():
                analyse(self.settings.analyses(), device=self.settings.device, **place)

    @contextlib.contextmanager
    def _interruptible(self) -> Iterator[None]:
        try:
            yield
        except KeyboardInterrupt:  # a one-line error instead of a traceback; it stops the next cells, too
            keys, store = run_keys(self.settings.runs()), RecordStore(self.results.runs)
            raise HighwaysError(
                f"interrupted; {sum(store.path(key).exists() for key in keys)} of {len(keys)} runs have their records "
                f"in {paths.shown(self.results.runs)}; what was being trained is kept as of its last checkpoint (one "
                "in 30 s, at the end of an epoch). Run this cell again, or Run All, to go on from there."
            ) from None

    def runs(self, *columns: str) -> pd.DataFrame:
        """Return the finished runs among those listed as a table: their keys, and these columns of `Sweep.table`."""
        return Scrolled(Sweep([*self.records(), *self.records().auxiliary]).table().filter(["run", *columns]))

    def figure(self, name: str | None = None) -> Image:
        """Draw a figure, by default the first, save it as PNG, and return it for display."""
        name = name or next(iter(self.experiment.figures))
        path = save(self.experiment.figures[name](self.records()), self.results.figures / f"{name}.png")
        self._written.append(path)
        from IPython.display import Image

        return Image(path)

    def table(self, name: str | None = None, part: Literal["table", "cost"] = "table") -> pd.DataFrame:
        """Write the files of a table, by default the first, and return the table as written."""
        table = next(table for table in self.experiment.tables if name in (None, table.name))
        texts = table.texts(self.records()).items()
        self._written += write_all({self.results.tables / file: text for file, text in texts})
        path = self.results.tables / f"{table.name}{'_cost' if part == 'cost' else ''}.csv"
        return Scrolled(pd.read_csv(path, dtype=str, keep_default_na=False))

    def judgements(self, source: Source = "records") -> list[Judgement]:
        """Return the verdicts on the experiment's claims."""
        measures, listed = self.experiment.named_measures, self.records(source)
        claims = read_claims({self.experiment.name: measures}).items()
        return [judge(name, claim, measures, listed, self.settings.profile) for name, claim in claims]

    def claims(self) -> pd.DataFrame:
        """Return the verdicts as a table; the verdicts of record are in the report."""
        return Scrolled(frame(self.judgements()).filter(["statement", "criterion", "measured", "verdict", "scope"]))

    def conclusion(self) -> Markdown:
        """Summarise the outcome and the verdicts in sentences computed from the records."""
        listed, counts = self.records(), Counter(judgement.verdict for judgement in self.judgements())
        answers = () if listed.empty else self.experiment.answer(listed)
        claims = f"Of {counts.total()} claims and questions: {counted(counts)}." if counts else ""
        return _markdown("\n\n".join(part for part in (*answers, listed.shortfall, claims) if part))

    def publish(self) -> Markdown:
        """Attach figures and tables to MLflow, next to the runs, and say where all results are."""
        files = dict.fromkeys(self._written)
        MlflowLog(self.settings.profile, self.experiment.name).attach(files, self.experiment.title)
        return _markdown(f"Records, tables and figures are in `{paths.shown(self.results.folder)}`.")


def _markdown(text: str) -> Markdown:
    from IPython.display import Markdown

    return Markdown(text)
