"""From claims and runs to verdicts."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from pydantic import Field, field_validator

from highways import paths
from highways.analysis.initial_weights import study
from highways.claims.measures import MEASURES, Interval, measure
from highways.config import PROFILE_SCHEMAS, Profile, Strict, load_profile, read_yaml, validate
from highways.config.profiles import profile_path
from highways.config.run import STAND_INS
from highways.data import examples
from highways.tracking import AnalysisRecord, Listed, RunRecord, listed_records
from highways.tracking.reading import Source
from highways.tracking.records import write_atomically

Verdict = Literal["replicated", "not replicated", "inconclusive", "not run"]
Scope = Literal["full", "reduced", "stand-in", ""]


class Bounds(Strict):
    """What a measured value must keep; all that are given."""

    above: float | None = None
    below: float | None = None
    at_least: float | None = None
    at_most: float | None = None
    equals: float | None = None

    def keep(self, value: float | Interval) -> bool | None:
        """Tell whether a value, or the whole of an interval, is within; `None` of an interval that is partly."""
        if not isinstance(value, tuple):
            return self._keep(value)
        low, high = value
        if self._keep(low) and self._keep(high):
            return True
        least = max((bound for bound in (self.above, self.at_least, self.equals) if bound is not None), default=low)
        most = min((bound for bound in (self.below, self.at_most, self.equals) if bound is not None), default=high)
        return False if high < least or low > most else None

    def _keep(self, value: float) -> bool:
        return (
            (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
            and (self.at_least is None or value >= self.at_least)
            and (self.at_most is None or value <= self.at_most)
            and (self.equals is None or value == self.equals)
        )


class Required(Strict):
    """What a full judgement needs; what is not given does not matter."""

    data: str | None = None
    epochs: int | None = None
    trials: int | None = None
    """Runs of each kind of network at each depth."""
    seeds: int | None = None
    """Different seeds of each kind of network at each depth."""
    depths: list[int] | None = None
    widths: dict[str, int] | None = None
    """By kind of network. Where they are given, the other kinds do not matter."""
    steps: int | None = None
    """Of a study."""
    training_examples: int | None = None
    networks: list[str] | None = None
    """Names of convolutional networks. Where they are given, the others do not matter."""

    def text(self) -> str:
        """Return it on one line."""
        names = ("data", "epochs", "trials", "seeds", "steps", "training_examples")
        parts = [f"{name}: {getattr(self, name)}" for name in names if getattr(self, name)]
        if self.depths:
            parts.append(f"depths: {' '.join(map(str, self.depths))}")
        if self.widths:
            parts.append(f"widths: {' '.join(f'{kind} {width}' for kind, width in self.widths.items())}")
        if self.networks:
            parts.append(f"networks: {' '.join(self.networks)}")
        return ", ".join(parts) or "any run"


class Claim(Strict):
    """One entry of `references/claims.yaml`."""

    experiment: str
    source: str
    statement: str
    criterion: str
    measure: dict[str, Any]
    holds: Bounds
    required: Required = Field(default_factory=Required)

    @field_validator("experiment")
    @classmethod
    def _known_experiment(cls, name: str) -> str:
        if name not in PROFILE_SCHEMAS:
            raise ValueError(f"no such notebook; there are: {', '.join(PROFILE_SCHEMAS)}")
        return name

    @field_validator("measure")
    @classmethod
    def _known_measure(cls, content: dict[str, Any]) -> dict[str, Any]:
        if content.get("name") not in MEASURES:
            raise ValueError(f"no such measure; there are: {', '.join(MEASURES)}")
        arguments = {key: value for key, value in content.items() if key != "name"}
        try:
            inspect.signature(MEASURES[content["name"]]).bind((), **arguments)
        except TypeError as error:
            raise ValueError(f"{content['name']}: {error}") from None
        return content


def load_claims() -> dict[str, Claim]:
    """Return all claims by id.

    Raises:
        HighwaysError: An entry is at fault; one line that names it.
    """
    where = "references/claims.yaml"
    content = read_yaml(paths.references() / "claims.yaml")
    return {name: validate(Claim, entry, f"{where}: {name}") for name, entry in content.items()}


@dataclass(frozen=True)
class Judgement:
    """A row of `claims.csv`. `scope` says what the verdict rests on: see `judge`."""

    claim_id: str
    source: str
    statement: str
    criterion: str
    required: str
    measured: str
    verdict: Verdict
    scope: Scope
    data: str
    profile: str


def judge(name: str, claim: Claim, records: Listed, profile: str) -> Judgement:
    """Judge one claim.

    The scope is *stand-in* where the data are not the required ones, *reduced* where epochs, trials or
    depths are fewer than required or widths are others, else *full*. A criterion that holds makes the
    claim *replicated* within that scope; one that fails makes it *not replicated* at full scope and
    *inconclusive* otherwise. Where an interval is measured, all of it must keep the bounds, or all of it
    break them; one that lies across a bound is *inconclusive*.

    Args:
        name: The claim's id.
        claim: The claim.
        records: What the notebook's parameters list, as far as it is there.
        profile: Name of the profile.
    """
    complete = records.complete
    records = _of_one_data_set(claim.required, records)
    arguments = {key: value for key, value in claim.measure.items() if key != "name"}
    own = study(records, claim.measure.get("of", "")) if claim.measure["name"].startswith("study_") else None
    value = measure(records, claim.measure["name"], arguments) if records or records.analyses else None
    verdict: Verdict = "not run"
    scope: Scope = ""
    if value is None and complete and records and all(run.status == "diverged" for run in records):
        verdict, scope = "inconclusive", _scope(claim.required, records)  # there is nothing to measure
    if value is not None and complete:
        scope = _scope(claim.required, records, own)
        kept = claim.holds.keep(value)
        if kept is None or (not kept and scope != "full"):
            verdict = "inconclusive"
        else:
            verdict = "replicated" if kept else "not replicated"
    return Judgement(
        claim_id=name,
        source=claim.source,
        statement=claim.statement,
        criterion=claim.criterion,
        required=claim.required.text(),
        measured="" if value is None or not complete else _text(value),
        verdict=verdict,
        scope=scope,
        data="" if verdict == "not run" else ", ".join(records.data) if own is None else own.data,
        profile=profile,
    )


def _text(value: float | Interval) -> str:
    return " to ".join(f"{end:.4g}" for end in value) if isinstance(value, tuple) else f"{value:.4g}"


def _of_one_data_set(required: Required, records: Listed) -> Listed:
    """Return what is on the required data or, where there is none, on its stand-in or the first data set there is."""
    wanted = [required.data, STAND_INS.get(required.data or ""), *records.data]
    return records.on(next((name for name in wanted if name in records.data), None))


def _scope(required: Required, records: Listed, of: AnalysisRecord | None = None) -> Scope:
    data = records.data if of is None else [of.data]
    if required.data is not None and data != [required.data]:
        return "stand-in"
    if of is not None:  # a study, which has no runs
        settings = of.config.measure
        asked = {name: getattr(required, name) or 0 for name in ("steps", "seeds", "epochs", "trials")}
        return "full" if all(getattr(settings, name, 0) >= least for name, least in asked.items()) else "reduced"
    wanted = [record for record in records if required.widths is None or record.config.network.kind in required.widths]
    if required.networks is not None:
        wanted = [record for record in wanted if getattr(record.config.network, "name", None) in required.networks]
    cells: dict[tuple[str, int], list[RunRecord]] = {}
    for record in wanted:
        cells.setdefault((record.config.network.kind, record.config.network.depth), []).append(record)
    kinds = {kind for kind, _ in cells} | set(required.widths or {})
    enough = bool(wanted) and all(
        len(runs) >= (required.trials or 0)
        and len({record.config.seed for record in runs}) >= (required.seeds or 0)
        and min(record.config.budget.epochs for record in runs) >= (required.epochs or 0)
        and min(map(_trained_on, runs)) >= (required.training_examples or 0)
        for runs in cells.values()
    )
    complete = {(kind, depth) for kind in kinds for depth in required.depths or []} <= cells.keys()
    widths = {(record.config.network.kind, record.config.network.width) for record in wanted}
    as_wide = required.widths is None or widths <= set(required.widths.items())
    return "full" if enough and complete and as_wide else "reduced"


def _trained_on(run: RunRecord) -> int:
    return run.config.data.training_examples or examples(run.config.data.name, "train")


def judge_all(profile: str, source: Source = "records") -> list[Judgement]:
    """Judge all claims on the runs that a profile lists.

    Args:
        profile: Name of the profile.
        source: Where the records are read from.
    """
    judgements = []
    read: dict[str, Listed] = {}
    for name, claim in load_claims().items():
        if claim.experiment not in read:
            schema = PROFILE_SCHEMAS[claim.experiment]
            there = profile_path(profile, claim.experiment).exists()
            listed = listed_records(load_profile(profile, schema), source) if there else Listed(complete=False)
            read[claim.experiment] = listed
        judgements.append(judge(name, claim, read[claim.experiment], profile))
    return judgements


def judge_experiment(settings: Profile, records: Listed | None = None) -> list[Judgement]:
    """Judge the claims of one notebook on what its parameters list, or on given records."""
    records = listed_records(settings) if records is None else records
    return [
        judge(name, claim, records, settings.profile)
        for name, claim in load_claims().items()
        if claim.experiment == settings.experiment
    ]


def headline(judgements: Sequence[Judgement]) -> str:
    """Return the counts on one line, with their scope."""
    parts = []
    for verdict in ("replicated", "not replicated", "inconclusive", "not run"):
        chosen = [judgement for judgement in judgements if judgement.verdict == verdict]
        if not chosen:
            continue
        scopes = [f"{n} {scope}" for scope in ("full", "reduced", "stand-in") if (n := _count(chosen, scope))]
        parts.append(f"{len(chosen)} {verdict}" + (f" ({', '.join(scopes)})" if scopes else ""))
    return f"{len(judgements)} claims: {', '.join(parts)}"


def _count(judgements: Sequence[Judgement], scope: str) -> int:
    return sum(judgement.scope == scope for judgement in judgements)


def frame(judgements: Sequence[Judgement]) -> pd.DataFrame:
    """Return judgements as a table."""
    columns = [field.name for field in fields(Judgement)]
    return pd.DataFrame([astuple(judgement) for judgement in judgements], columns=columns)


def claims_text(judgements: Sequence[Judgement]) -> str:
    """Return the content of `claims.csv`."""
    return frame(judgements).to_csv(index=False, lineterminator="\n")


def write_claims(profile: str, source: Source = "records") -> tuple[Path, list[Judgement]]:
    """Judge all claims, write `claims.csv`, and return its path and the judgements."""
    judgements = judge_all(profile, source)
    write_atomically(paths.Results(profile).claims, claims_text(judgements))
    return paths.Results(profile).claims, judgements
