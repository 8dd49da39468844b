"""Records of analyses: what was measured of a network, kept so that tables and figures need no weights."""

import math
from collections.abc import Iterable
from typing import Any, ClassVar

from pydantic import Field

from highways.config import RunConfig
from highways.config.analysis import AnalysisConfig
from highways.data import fingerprint
from highways.tracking.records import KEY, Record, Store

Number = float | None
"""`None` stands for a value that is not finite."""
Values = list[Number] | list[list[Number]] | list[list[list[Number]]]


class AnalysisRecord(Record):
    """What an analysis found."""

    key_field: ClassVar[str] = "key"
    key: str = Field(pattern=KEY)
    config: AnalysisConfig
    version: int
    numerics: int | None
    """Numerics version of the run's network; `None` of a study."""
    weights_sha256: str | None
    """Of the weights that were analysed; `None` where they were initial ones."""
    values: dict[str, Values]
    """By name, to four or six significant digits, states in float32 to nine; what makes the analysis says which."""
    timing: dict[str, float]
    """`seconds`: of the analysis."""

    def expected_key(self) -> str | None:
        current = self.version == self.config.measure.version and self.numerics == self.config.numerics
        return self.config.key(self.data_fingerprint) if current else None

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
    """Round nested lists of numbers to `digits` significant digits, with `None` for one that is not finite."""
    if isinstance(values, list):
        return [rounded(value, digits) for value in values]
    return float(f"{values:.{digits}g}") if math.isfinite(values) else None


def analysis_keys(configs: Iterable[AnalysisConfig]) -> list[str]:
    """Return the keys of analyses."""
    return [config.key(fingerprint_of(config)) for config in configs]


def fingerprint_of(config: AnalysisConfig) -> str:
    """Return the fingerprint of an analysis's data; empty where there is none."""
    return fingerprint(config.data) if config.data is not None else ""


class AnalysisStore(Store[AnalysisRecord]):
    """Those of analyses."""

    record, kind = AnalysisRecord, "analyses"
