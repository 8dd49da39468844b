"""Records: one small JSON file per finished run or analysis, written atomically and checked whenever it is read.

They hold every measurement of a network, so that tables and figures need no weights.
"""

import glob
import hashlib
import json
import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, Self, TypeVar

from pydantic import Field

from highways import paths
from highways.config import AnalysisConfig, RunConfig, Strict, validate
from highways.config.reading import read_text
from highways.data import fingerprint
from highways.errors import HighwaysError
from highways.files import write_whole

SCHEMA_VERSION = 1
KEY = r"^[A-Za-z0-9_.+-]+$"
"""Pattern of the key of a run or analysis, which is a file name and appears in notes."""
Number = float | None
"""`None` stands for a value that is not finite."""
Values = list[Number] | list[list[Number]] | list[list[list[Number]]]


class Record(Strict):
    """Base of run and analysis records: how they are written, read and checked."""

    schema_version: Literal[1] = SCHEMA_VERSION
    data_fingerprint: str
    environment: dict[str, Any]
    """Where it was made (`highways.tracking.environment`); `earlier` is added if a run was resumed elsewhere."""
    finished_at: str
    """End time in UTC, ISO 8601."""
    timing: dict[str, float]

    key_field: ClassVar[str]
    """Name of the field that holds the key."""

    @property
    def own_key(self) -> str:
        """The key, which is also the file's name."""
        return getattr(self, self.key_field)

    def expected_key(self) -> str | None:
        """Return the key that the configuration gives; `None` if another code version made the record."""
        raise NotImplementedError

    def fault(self) -> str | None:
        """Describe an inconsistency of the record in a few words; `None` if its values are consistent."""
        return None

    @property
    def sha256(self) -> str:
        """The record's checksum."""
        return checksum(self.model_dump(mode="json"))

    def dumps(self) -> str:
        """Return the record as text: JSON with its checksum, one line per top-level key."""
        content = self.model_dump(mode="json")
        content["sha256"] = checksum(content)
        lines = (f"{json.dumps(name)}: {_canonical(value)}" for name, value in sorted(content.items()))
        return "{\n" + ",\n".join(lines) + "\n}\n"

    @classmethod
    def loads(cls, text: str, where: str) -> Self:
        """Parse and check the text of a record; `where`, a file or artifact, opens every error message."""
        try:
            values = json.loads(text)
            content = checksum(values)
        except (ValueError, AttributeError, RecursionError):
            raise HighwaysError(f"{where}: truncated or not JSON of finite numbers; it is no record") from None
        if (found := values.get("schema_version")) != SCHEMA_VERSION:
            raise HighwaysError(f"{where}: unknown schema version {found!r}, this release reads {SCHEMA_VERSION}")
        if (expected := values.pop("sha256", None)) != content:
            raise HighwaysError(f"{where}: altered: it says sha256 {expected!s:.64}, its content has {content}")
        record = validate(cls, values, f"{where}: not a record of this schema")
        if (fault := record.fault()) is not None:
            raise HighwaysError(f"{where}: not a record of this schema: {fault}")
        if record.expected_key() not in (None, record.own_key):
            raise HighwaysError(f"{where}: its key {record.own_key} is not that of its configuration")
        return record

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read one record file, whose name must be the record's key."""
        where = paths.shown(path)
        record = cls.loads(read_text(path), where)
        if path.stem != record.own_key:
            raise HighwaysError(f"{where}: it is the record of {record.own_key}")
        return record


class RunRecord(Record):
    """The results of a run.

    A run that *diverged* (its loss stopped being finite) is finished as well: its curves end with the last finite
    epoch.
    """

    key_field: ClassVar[str] = "run_key"
    run_key: str = Field(pattern=KEY)
    config: RunConfig
    numerics: int
    status: Literal["finished", "diverged"]
    diverged_epoch: int | None = None
    """Epoch, counted from 1, in which a loss stopped being finite."""
    parameters: int
    """Number of trained weights and biases."""
    curves: dict[str, list[float]]
    """One value per epoch, evaluated with the weights at the epoch's end over a whole part of the data (convolutional
    networks: over the first 10,000 training images): `train_cross_entropy` and `test_cross_entropy` (means, nats),
    `train_accuracy` and `test_accuracy` (fractions); for texts also `dev_...`."""
    measurements: dict[str, list[float]] = Field(default_factory=dict, exclude_if=lambda measured: not measured)
    """Measurements besides the curves, left out if there are none; each training module documents its own."""
    weights_sha256: str | None
    """Checksum of the final weights' content (`highways.training.checkpoints.weights_sha256`)."""
    engine: dict[str, Any]
    """How it was trained: engine, workers, `group` (runs trained together); on a GPU also `fused`, our own kernels."""
    timing: dict[str, float]
    """`group_seconds`: training and evaluation time of the whole group; `seconds`: this run's share."""

    def expected_key(self) -> str | None:
        return self.config.key(self.data_fingerprint) if self.numerics == self.config.network.numerics else None

    def fault(self) -> str | None:
        planned, lengths = self.config.budget.epochs, {len(curve) for curve in self.curves.values()}
        if not 1 <= self.numerics <= self.config.network.numerics:
            return f"numerics: {self.numerics}, there are versions 1 to {self.config.network.numerics}"
        if len(lengths) > 1:
            return f"curves: of unequal lengths, {' and '.join(map(str, sorted(lengths)))}"
        if self.status == "finished" and lengths != {planned}:
            return f"curves: {self.epochs} epochs of a run that finished {planned}"
        if self.status == "diverged" and (self.diverged_epoch is None or self.epochs != self.diverged_epoch - 1):
            return f"curves: {self.epochs} epochs of a run that diverged in epoch {self.diverged_epoch}"
        return None

    @property
    def epochs(self) -> int:
        """Number of epochs that ended with finite losses."""
        return len(self.curves.get("train_cross_entropy", []))

    def best(self, metric: str = "train_cross_entropy") -> float | None:
        """Return the best value of a curve (highest accuracy, lowest loss); `None` if it is empty."""
        return (max if metric.endswith("_accuracy") else min)(self.curves.get(metric, []), default=None)

    def last(self, metric: str) -> float | None:
        """Return the last value of a curve; `None` if it is empty."""
        curve = self.curves.get(metric, [])
        return curve[-1] if curve else None


class AnalysisRecord(Record):
    """The results of an analysis."""

    key_field: ClassVar[str] = "key"
    key: str = Field(pattern=KEY)
    config: AnalysisConfig
    version: int
    numerics: int | None
    """Numerics version of the run's network; `None` for a study."""
    weights_sha256: str | None
    """Checksum of the analysed weights; `None` for initial weights."""
    values: dict[str, Values]
    """Results by name, to four or six significant digits, float32 states to nine; each analysis states which."""
    timing: dict[str, float]
    """`seconds`: duration of the analysis."""

    def expected_key(self) -> str | None:
        current = self.version == self.config.measure.version and self.numerics == self.config.numerics
        return self.config.key(self.data_fingerprint) if current else None

    @property
    def kind(self) -> str:
        return self.config.measure.kind

    @property
    def data(self) -> str:
        """Name of the data set; empty for a study that generates its own examples."""
        return self.config.data.name if self.config.data is not None else ""

    @property
    def run(self) -> RunConfig:
        """The analysed run; a study has none."""
        assert self.config.run is not None
        return self.config.run

    def row(self, name: str) -> list[float]:
        """Return a list of values, with NaN for each that was not finite."""
        return [math.nan if value is None else float(value) for value in self.values[name]]  # type: ignore[arg-type]


def _canonical(content: dict[str, Any]) -> str:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)


def checksum(values: dict[str, Any]) -> str:
    """Return the sha256 of a record's canonical content, without its own checksum."""
    rest = {name: value for name, value in values.items() if name != "sha256"}
    return hashlib.sha256(_canonical(rest).encode()).hexdigest()


def run_keys(configs: Iterable[RunConfig]) -> list[str]:
    """Return the keys of runs."""
    return [config.key(fingerprint(config.data)) for config in configs]


def rounded(values: Any, digits: int = 6) -> Any:
    """Round nested lists of numbers to `digits` significant digits; a number that is not finite becomes `None`."""
    if isinstance(values, list):
        return [rounded(value, digits) for value in values]
    return float(f"{values:.{digits}g}") if math.isfinite(values) else None


def analysis_keys(configs: Iterable[AnalysisConfig]) -> list[str]:
    """Return the keys of analyses."""
    return [config.key(fingerprint(config.data)) for config in configs]


R = TypeVar("R", bound=Record)


class Store(Generic[R]):
    """The records of one kind of one experiment in one profile, in `results/<profile>/<experiment>/<kind>`."""

    record: type[R]
    kind: str

    def __init__(self, folder: Path):
        self.folder = folder

    def path(self, key: str) -> Path:
        """Return the path of a record, which need not exist yet."""
        return self.folder / f"{key}.json"

    def write(self, record: R) -> Path:
        """Write a record atomically and return its path."""
        path = self.path(record.own_key)
        write_whole(path, record.dumps())
        return path

    def read(self, key: str) -> R | None:
        """Return a record, or `None` if it does not exist."""
        path = self.path(key)
        return self.record.read(path) if path.exists() else None

    def read_all(self, keys: Iterable[str]) -> list[R]:
        """Return the records that exist, in the given order."""
        return [record for key in keys if (record := self.read(key)) is not None]

    def readable(self, fault: Callable[[str], object]) -> Iterator[R]:
        """Read all intact records, in the order of their keys; call `fault` with one line about each other one."""
        for path in self:
            try:
                yield self.record.read(path)
            except HighwaysError as error:
                fault(str(error))

    def adopt(self, key: str) -> R | None:
        """Return this store's record, or copy it here from a profile or experiment that has it intact."""
        if (record := self.read(key)) is not None:
            return record
        faults: list[HighwaysError] = []
        for elsewhere in self.copies(key):
            try:
                record = self.record.read(elsewhere)
            except HighwaysError as error:
                faults.append(error)
            else:
                write_whole(self.path(key), elsewhere.read_text(encoding="utf-8"))
                return record
        if faults:
            raise HighwaysError(f"{faults[0]}; restore it from git, or remove it, and the run is trained again")
        return None

    @classmethod
    def copies(cls, key: str) -> list[Path]:
        """Return the paths of a record in all profiles and experiments."""
        return sorted((paths.root() / "results").glob(f"*/*/{cls.kind}/{glob.escape(key)}.json"))

    @classmethod
    def everywhere(cls, profiles: Iterable[str] = ("*",)) -> dict[str, Path]:
        """Return the paths of all records of some profiles, by key; for a record in several, the first path."""
        results = paths.root() / "results"
        files = [path for profile in profiles for path in sorted(results.glob(f"{profile}/*/{cls.kind}/*.json"))]
        return {path.stem: path for path in reversed(files)}

    def __iter__(self) -> Iterator[Path]:
        return iter(sorted(self.folder.glob("*.json")))


class RecordStore(Store[RunRecord]):
    """Records of runs."""

    record, kind = RunRecord, "runs"


class AnalysisStore(Store[AnalysisRecord]):
    """Records of analyses."""

    record, kind = AnalysisRecord, "analyses"
