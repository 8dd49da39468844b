"""Records of analyses: what was measured of a network, kept so that tables and figures need no weights."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from highways import paths
from highways.config import RunConfig, Strict
from highways.config.analysis import AnalysisConfig
from highways.data import fingerprint
from highways.errors import HighwaysError
from highways.tracking.records import SCHEMA_VERSION, checksum, read_text, sealed, unsealed, write_atomically

Number = float | None
"""`None` stands for a value that is not finite."""
Values = list[Number] | list[list[Number]] | list[list[list[Number]]]


class AnalysisRecord(Strict):
    """What an analysis found."""

    schema_version: Literal[1] = SCHEMA_VERSION
    key: str
    config: AnalysisConfig
    data_fingerprint: str
    version: int
    numerics: int | None
    """Numerics version of the run's network; `None` of a study."""
    weights_sha256: str | None
    """Of the weights that were analysed; `None` where they were initial ones."""
    values: dict[str, Values]
    """By name, to four or six significant digits; the functions of `highways.analysis` say what each one is."""
    environment: dict[str, Any]
    finished_at: str
    """UTC, ISO 8601."""
    timing: dict[str, float]
    """`seconds`: of the analysis."""

    @property
    def kind(self) -> str:
        """Kind of the analysis."""
        return self.config.measure.kind

    @property
    def data(self) -> str:
        """Name of the data set; empty where a study makes its own examples."""
        return self.config.data.name if self.config.data is not None else ""

    @property
    def run(self) -> RunConfig:
        """The analysed run; a study has none."""
        assert self.config.run is not None
        return self.config.run

    def row(self, name: str) -> list[float]:
        """Return a list of values, NaN where one was not finite."""
        return [math.nan if value is None else float(value) for value in self.values[name]]  # type: ignore[arg-type]


def rounded(values: Any, digits: int = 6) -> Any:
    """Return nested lists of numbers to so many significant digits, `None` where one is not finite."""
    if isinstance(values, list):
        return [rounded(value, digits) for value in values]
    return float(f"{values:.{digits}g}") if math.isfinite(values) else None


def content(record: AnalysisRecord) -> dict[str, Any]:
    """Return a record as plain values, with its checksum."""
    values = record.model_dump(mode="json")
    return values | {"sha256": checksum(values)}


def dumps(record: AnalysisRecord) -> str:
    """Return a record as text: JSON with its checksum, one line a top-level key."""
    return sealed(content(record))


def loads(text: str, where: str) -> AnalysisRecord:
    """Read a record and check it; see `highways.tracking.records.unsealed` for arguments and errors."""
    record = unsealed(AnalysisRecord, text, where)
    current = record.version == record.config.version and record.numerics == record.config.numerics
    if current and record.key != record.config.key(record.data_fingerprint):
        raise HighwaysError(f"{where}: its key {record.key} is not that of its configuration")
    return record


def analysis_keys(configs: Iterable[AnalysisConfig]) -> list[str]:
    """Return the keys of analyses."""
    return [config.key(fingerprint_of(config)) for config in configs]


def fingerprint_of(config: AnalysisConfig) -> str:
    """Return the fingerprint of an analysis's data; empty where there is none."""
    return fingerprint(config.data) if config.data is not None else ""


class AnalysisStore:
    """The analyses of one experiment in one profile.

    Args:
        folder: `results/<profile>/analyses/<experiment>`.
    """

    def __init__(self, folder: Path):
        self.folder = folder

    def write(self, record: AnalysisRecord) -> Path:
        """Write a record, atomically, and return its path."""
        path = self.folder / f"{record.key}.json"
        write_atomically(path, dumps(record))
        return path

    def read(self, key: str) -> AnalysisRecord | None:
        """Return an analysis's record, or `None` where there is none.

        Raises:
            HighwaysError: There is one and it is at fault; see `loads`.
        """
        path = self.folder / f"{key}.json"
        return read_analysis(path) if path.exists() else None

    def adopt(self, key: str) -> AnalysisRecord | None:
        """Return an analysis's record from here or, copied to here, from any other profile or experiment."""
        if (record := self.read(key)) is not None:
            return record
        elsewhere = next(iter(sorted((paths.root() / "results").glob(f"*/analyses/*/{key}.json"))), None)
        if elsewhere is None:
            return None
        record = read_analysis(elsewhere)
        self.write(record)
        return record

    def read_all(self, keys: Iterable[str]) -> list[AnalysisRecord]:
        """Return the records of those analyses that have one, in the given order."""
        return [record for key in keys if (record := self.read(key)) is not None]


def read_analysis(path: Path) -> AnalysisRecord:
    """Read one record file.

    Raises:
        HighwaysError: See `loads`; also where the file bears another analysis's name.
    """
    text, where = read_text(path)
    record = loads(text, where)
    if path.stem != record.key:
        raise HighwaysError(f"{where}: it is the record of {record.key}")
    return record
