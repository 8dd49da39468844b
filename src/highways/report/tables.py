"""All comparison tables of a profile."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from highways.config.profiles import profile_path
from highways.errors import HighwaysError
from highways.experiments import EXPERIMENTS
from highways.experiments.base import Experiment, Table
from highways.tracking.reading import Source
from highways.tracking.records import write_atomically

TABLES: dict[str, tuple[Experiment, Table]] = {
    table.name: (experiment, table) for experiment in EXPERIMENTS for table in experiment.tables
}
"""Every table by name, with its experiment, in the order of the report."""


def write_tables(
    profile: str,
    names: Iterable[str] = (),
    source: Source = "records",
    folder: Path | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> list[Path]:
    """Write tables and return their paths.

    Args:
        profile: Name of the profile.
        names: Names of tables; by default every table that the profile has runs of.
        source: Where the records are read from.
        folder: Destination; by default each experiment's own folder.
        tell: Called with one line per experiment whose tables lack runs.
    """
    written, told = [], set()
    for name in names or TABLES:
        if name not in TABLES:
            raise HighwaysError(f"no table {name!r}; there are: {', '.join(TABLES)}")
        experiment, table = TABLES[name]
        if not names and not profile_path(profile, experiment.name).exists():
            continue
        study = experiment.of(profile)
        records = study.records(source)
        if not names and records.empty:
            continue  # the profile has not run this notebook yet
        if records.shortfall and experiment.name not in told:
            tell(f"{profile}/{experiment.name}: {records.shortfall}")
            told.add(experiment.name)
        study.settings.runs()
        for file, text in table.texts(records).items():
            path = (folder or study.results.tables) / file
            write_atomically(path, text)
            written.append(path)
    return written
