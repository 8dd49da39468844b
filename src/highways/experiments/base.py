"""What an experiment is: one room, with one name.

An `Experiment` says what its parameters are, which tables and figures show it, and what its claims are measured
with. `EXPERIMENT.open(globals())` makes a `Study` of it in a notebook.
"""

from __future__ import annotations

import contextlib
import inspect
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd
from matplotlib.figure import Figure

from highways import paths
from highways.claims.judge import Judgement, frame, judge, read_claims
from highways.claims.studies import STUDY_MEASURES, study
from highways.claims.values import Measures
from highways.claims.verdicts import counted
from highways.config import Profile, load_profile
from highways.config.profiles import EXPLORE
from highways.errors import HighwaysError, NotYet
from highways.inside.analyse import analyse
from highways.show.figures import Drawing, Panel, save
from highways.show.tables import MACHINE, Row, Scrolled, csv_text, markdown_text, shown, table_files
from highways.tracking import AnalysisRecord, Listed, RecordStore, listed_records, run_keys
from highways.tracking.mlflow_log import MlflowLog
from highways.tracking.reading import Source
from highways.tracking.records import write_atomically
from highways.training import Sweep, train

if TYPE_CHECKING:  # machines that only train have no Jupyter
    from IPython.display import Image, Markdown

Builder = Callable[..., "pd.DataFrame | Iterable[Row]"]
"""Makes the rows of a table from an experiment's records; one that makes a frame is given its parameters, too."""


class Interrupted(KeyboardInterrupt):
    """A cell was interrupted; it says what is kept, in a sentence in place of a traceback, and no cell follows."""

    def _render_traceback_(self) -> list[str]:  # what IPython asks for
        return [str(self)]


NO_TRAINING = "HIGHWAYS_NO_TRAINING"
"""Environment variable in the kernel of a stage that only shows what the records hold."""


@dataclass(frozen=True)
class Table:
    """A comparison table.

    Attributes:
        name: Of its files, `NAME.csv`, `NAME.md` and `NAME_cost.csv`.
        build: From an experiment's records and parameters.
        cost: What was measured with a clock, apart: the others are the same to the byte from run to run.
        title: One line for the report.
        shown: Of the columns, those that a page shows, with their heads; all by default.
        rows: Which rows a page shows; all by default.
        plot: Its columns that `dvc plots` draws: what is on the horizontal axis, what on the vertical one.
        main: Which rows the report shows first, a dozen at most; those of `rows`, the first ones, by default.
    """

    name: str
    build: Builder
    cost: Builder
    title: str
    shown: Mapping[str, str] = field(default_factory=dict)
    rows: Callable[[pd.DataFrame], pd.DataFrame] = lambda frame: frame
    plot: tuple[str, str] | None = None
    main: Callable[[pd.DataFrame], pd.DataFrame] | None = None

    def frame(self, records: Listed, settings: Profile | None = None) -> pd.DataFrame:
        """Return the table; one without rows has the columns that a page shows."""
        return _framed(self.build, records, settings, list(self.shown))

    def texts(self, records: Listed, settings: Profile) -> dict[str, str]:
        """Return the content of the table's files, by file name."""
        built = self.frame(records, settings)
        cost = _framed(self.cost, records, settings, ["process_seconds", *MACHINE])
        return dict(zip(table_files(self.name), (csv_text(built), markdown_text(built), csv_text(cost)), strict=True))


def _framed(build: Builder, records: Listed, settings: Profile | None, columns: Sequence[str]) -> pd.DataFrame:
    if len(inspect.signature(build).parameters) == 2:
        return build(records, settings)  # type: ignore[return-value]
    rows = list(build(records))
    return pd.DataFrame(rows, columns=None if rows else list(columns), dtype=object)


SECTIONS = (
    "The question",
    "What was easy",
    "What was difficult",
    "What the sources leave open, and what differs here",
)


def notes_of(experiment: str) -> dict[str, str]:
    """Return the prose about an experiment in `references/notes/`, Markdown by heading; empty where there is none."""
    path = paths.references() / "notes" / f"{experiment}.md"
    text = path.read_text() if path.exists() else ""
    _, *parts = re.split(r"^# (.+)\n", text, flags=re.MULTILINE)
    sections = dict(zip(parts[::2], map(str.strip, parts[1::2]), strict=True))
    if wrong := sections.keys() - set(SECTIONS):
        raise HighwaysError(f"{paths.shown(path)}: no heading {min(wrong)!r}; there are: {'; '.join(SECTIONS)}")
    return {heading: sections.get(heading, "") for heading in SECTIONS}


class Lead:
    """What the report and README begin with.

    Args:
        questions: Each with the claim whose verdict answers it.
        panel: Draws the figure that shows the answers.
        rows: Makes the few numbers that README shows.
    """

    def __init__(
        self, *questions: tuple[str, str], panel: Callable[[Listed], Panel], rows: Callable[[Listed], Iterable[Row]]
    ):
        self.questions, self.panel, self.rows = questions, panel, rows


@dataclass(frozen=True)
class Experiment:
    """An experiment.

    Attributes:
        name: Of its notebook, stage, parameter files, folder of results and MLflow experiment.
        title: What it is about, on one line.
        schema: Of its parameters; they list its runs and analyses.
        tables: Its comparison tables.
        figures: By name of the file, what draws it from the records.
        measures: What its claims are measured with.
        draws: See `Measures`.
        after: Experiments whose records or parameters it uses; no other may be imported.
        references: Files of `references/` that its tables and figures read.
        answer: A sentence of what came out, from the records; none by default.
        caption: What the figure shows beside our results, from the records; nothing by default.
        lead: What the report begins with; of the first experiment that has one.
    """

    name: str
    title: str
    schema: type[Profile]
    tables: tuple[Table, ...] = ()
    figures: Mapping[str, Callable[[Listed], Figure | Drawing]] = field(default_factory=dict)
    measures: tuple[Callable[..., Any], ...] = ()
    draws: Callable[[Listed], Sequence[Row]] = lambda records: ()
    after: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    answer: Callable[[Listed], str] | None = None
    caption: Callable[[Listed], str] | None = None
    lead: Lead | None = None

    @property
    def named_measures(self) -> Measures:
        """Its measures by name, those of studies, which every experiment has, and the rows of its tables."""
        functions = {function.__name__: function for function in (*self.measures, *STUDY_MEASURES)}
        return Measures(functions, self.rows, self.draws)

    def rows(self, records: Listed) -> Iterator[Row]:
        """Yield the rows of its tables."""
        for table in self.tables:
            yield from table.frame(records).to_dict("records")  # type: ignore[misc]

    @property
    def notes(self) -> str:
        """What its sources leave open, and what is not as they have it; Markdown."""
        text = notes_of(self.name)[SECTIONS[-1]]
        return f"{text}\n" if text else ""

    def command(self, profile: str) -> str:
        """Return the command that makes its results in a profile."""
        return f"highways profile use {profile} && dvc repro {self.name}@{profile}"

    def open(self, namespace: Mapping[str, Any]) -> Study:
        """Return the study of the parameters that a notebook has set as variables.

        Args:
            namespace: The notebook's `globals()`.

        Raises:
            HighwaysError: A parameter is missing or at fault.
        """
        return Study(self, self.schema.from_namespace(namespace))

    def of(self, profile: str) -> Study:
        """Return the study of a profile's parameters.

        Raises:
            HighwaysError: The profile or its file is at fault.
        """
        return Study(self, load_profile(profile, self.schema))


class Study:
    """An experiment with its parameters: trains, analyses, draws, tabulates, judges.

    Args:
        experiment: The experiment.
        settings: Its parameters.
    """

    def __init__(self, experiment: Experiment, settings: Any):
        self.experiment, self.settings = experiment, settings
        self.results = paths.Results(settings.profile).of(experiment.name)
        self._records: dict[Source, Listed] = {}
        self._written: list[Path] = []

    def records(self, source: Source = "records") -> Listed:
        """Return the records of what the parameters list, as far as it is there; they are read once."""
        if source not in self._records:
            self._records[source] = listed_records(self.settings, source)
        return self._records[source]

    def train(self, threads: int | None = None) -> Sweep:
        """Train every listed run that has no record yet, and return all; see `highways.training.train`.

        Raises:
            Interrupted: By the user.
        """
        self._records.clear()
        if NO_TRAINING in os.environ:
            return Sweep([*self.records(), *self.records().auxiliary])
        with self._saying_what_is_kept():
            return train(self.settings, threads=threads)

    def analyse(self) -> None:
        """Make every listed analysis that has no record yet; see `highways.inside.analyse`.

        Raises:
            Interrupted: By the user.
        """
        self._records.clear()
        if NO_TRAINING in os.environ:
            return
        place = {"experiment": self.experiment.name, "profile": self.settings.profile}
        with self._saying_what_is_kept():
            analyse(self.settings.analyses(), device=self.settings.device, **place)

    @contextlib.contextmanager
    def _saying_what_is_kept(self) -> Iterator[None]:
        try:
            yield
        except KeyboardInterrupt:
            raise Interrupted(self._kept()) from None

    def _kept(self) -> str:
        store = RecordStore(self.results.runs)
        try:
            keys = run_keys(self.settings.runs())
        except NotYet:
            keys = []
        there = sum(store.path(key).exists() for key in keys)
        return (
            f"Interrupted. {there} of {len(keys)} runs have their records in {paths.shown(self.results.runs)}; what "
            "was being trained is kept as of its last checkpoint (one in 30 s, at the end of an epoch). "
            "Run this cell again, or Run All, to go on from there."
        )

    def runs(self, *columns: str) -> pd.DataFrame:
        """Return the listed runs that are finished as a table: their keys, and such columns of `Sweep.table`."""
        records = self.records()
        table = Sweep([*records, *records.auxiliary]).table()
        return Scrolled(table[["run_key", *columns]] if len(table) else table)

    def figure(self, name: str | None = None) -> Image:
        """Draw a figure, the first by default, save it as PNG, and return it to be shown."""
        name = name or next(iter(self.experiment.figures))
        path = save(self.experiment.figures[name](self.records()), self.results.figures / f"{name}.png")
        self._written.append(path)
        from IPython.display import Image

        return Image(path)

    def table(self, name: str | None = None, part: Literal["table", "cost"] = "table") -> pd.DataFrame:
        """Write a table's files, those of the first table by default, and return the table as it stands there."""
        table = next(table for table in self.experiment.tables if name in (None, table.name))
        for file, text in table.texts(self.records(), self.settings).items():
            write_atomically(self.results.tables / file, text)
            self._written.append(self.results.tables / file)
        return Scrolled(shown(self.results.tables / table_files(table.name)[2 if part == "cost" else 0]))

    def judgements(self, source: Source = "records") -> list[Judgement]:
        """Return the verdicts on the experiment's claims."""
        measures = self.experiment.named_measures
        claims = read_claims({self.experiment.name: measures})
        return [
            judge(name, claim, measures, self.records(source), self.settings.profile) for name, claim in claims.items()
        ]

    def one(self, kind: str) -> AnalysisRecord:
        """Return the record of a study.

        Raises:
            HighwaysError: It has not been made.
        """
        if (found := study(self.records(), kind)) is None:
            raise HighwaysError(f"{self.experiment.name}: the study {kind!r} has not been made")
        return found

    def claims(self) -> pd.DataFrame:
        """Return the verdicts as a table; those of record are the report's."""
        return Scrolled(frame(self.judgements()).filter(["statement", "criterion", "measured", "verdict", "scope"]))

    def answer(self) -> str:
        """Return a sentence of what came out."""
        return self.experiment.answer(self.records()) if self.experiment.answer is not None else ""

    def caption(self) -> Markdown:
        """Return what the figure shows beside our results."""
        return _markdown(self.experiment.caption(self.records()) if self.experiment.caption is not None else "")

    def conclusion(self) -> Markdown:
        """Return what came out, in sentences computed from the records: the outcome, and the verdicts in numbers."""
        counts = Counter(judgement.verdict for judgement in self.judgements())
        listed = self.records()
        there = self.answer() if not listed.empty else ""
        claims = f"Of {counts.total()} claims and questions: {counted(counts)}." if counts else ""
        return _markdown("\n\n".join(part for part in (there, listed.shortfall, claims) if part))

    def publish(self) -> Markdown:
        """Bring figures and tables to MLflow, beside the runs, and say where all of it is."""
        auxiliary = [record.run_key for record in self.records().auxiliary]
        log = MlflowLog(self.settings.profile, self.experiment.name, auxiliary=auxiliary)
        log.attach(list(dict.fromkeys(self._written)), self.experiment.title)
        place = paths.shown(self.results.folder)
        if self.settings.profile == EXPLORE:
            return _markdown(f"What you tried out is in `{place}`; the profiles' own results are as they were.")
        return _markdown(f"Records, tables and figures are in `{place}`.")


def _markdown(text: str) -> Markdown:
    from IPython.display import Markdown

    return Markdown(text)
