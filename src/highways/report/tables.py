"""All comparison tables of a profile."""

import sys
from collections.abc import Collection
from pathlib import Path

from highways.config.profiles import profile_path
from highways.errors import HighwaysError
from highways.experiments import EXPERIMENTS
from highways.files import write_whole
from highways.tracking.reading import Source

TABLES = {table.name: (experiment, table) for experiment in EXPERIMENTS for table in experiment.tables}
"""Every table by name, with its experiment, in the order of the report."""


def write_tables(
    profile: str, names: Collection[str] = (), source: Source = "records", folder: Path | None = None
) -> list[Path]:
    """Write tables, by default all that the profile has runs of, each into its experiment's folder; return their paths.

    What lacks runs is said on the error stream.
    """
    if unknown := [name for name in names if name not in TABLES]:
        raise HighwaysError(f"no table {unknown[0]!r}; there are: {', '.join(TABLES)}")
    written: list[Path] = []
    for experiment in EXPERIMENTS:
        chosen = [table for table in experiment.tables if not names or table.name in names]
        if not chosen or not (names or profile_path(profile, experiment.name).exists()):
            continue
        study = experiment.of(profile)
        records = study.records(source)
        if not names and records.empty:
            continue  # the profile has not run this notebook yet
        if records.shortfall:
            print(f"{profile}/{experiment.name}: {records.shortfall}", file=sys.stderr)
        study.settings.runs()
        texts = {name: text for table in chosen for name, text in table.texts(records).items()}
        for name, text in texts.items():
            path = (folder or study.results.tables) / name
            write_whole(path, text)
            written.append(path)
    return written
