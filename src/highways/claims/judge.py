"""From claims and runs to verdicts."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from typing import Any

import pandas as pd
from pydantic import Field

from highways import paths
from highways.claims.studies import study
from highways.claims.values import Interval, Measures, measured
from highways.claims.verdicts import SCOPES, VERDICTS, Scope, Verdict
from highways.config import RunConfig, Strict, read_mapping, validate
from highways.config.run import STAND_INS
from highways.data import examples
from highways.errors import HighwaysError
from highways.tracking import AnalysisRecord, Listed, RunRecord

OF_STUDIES = ("steps", "draws", "seeds", "epochs", "trials")
"""What a claim can require of a study."""


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

    data: str | list[str] | None = None
    """A data set, or several, on all of which is measured."""
    epochs: int | None = None
    trials: int | None = None
    """Runs of each kind of network at each depth."""
    survivors: int | None = None
    """Of a search with rungs: for the scope *pruned* so many of the `trials` must have been trained to the end."""
    seeds: int | None = None
    """Different seeds of each kind of network at each depth."""
    depths: list[int] | None = None
    """Where they are given, what is missing at others does not matter."""
    widths: dict[str, int] | None = None
    """By kind of network. Where they are given, the other kinds do not matter."""
    steps: int | None = None
    """Of a study."""
    draws: int | None = None
    """Of a study."""
    training_examples: int | None = None
    networks: list[str] | None = None
    """Names of convolutional networks. Where they are given, the others do not matter."""

    @property
    def data_sets(self) -> list[str]:
        """The data sets, in a list."""
        return [self.data] if isinstance(self.data, str) else self.data or []

    def text(self) -> str:
        """Return it on one line."""
        parts = [f"data: {' '.join(self.data_sets)}"] if self.data_sets else []
        names = ("epochs", "trials", "survivors", "seeds", "steps", "draws", "training_examples")
        parts += [f"{name}: {getattr(self, name)}" for name in names if getattr(self, name)]
        if self.depths:
            parts.append(f"depths: {' '.join(map(str, self.depths))}")
        if self.widths:
            parts.append(f"widths: {' '.join(f'{kind} {width}' for kind, width in self.widths.items())}")
        if self.networks:
            parts.append(f"networks: {' '.join(self.networks)}")
        return ", ".join(parts) or "any run"

    def concerns(self, run: RunConfig) -> bool:
        """Tell whether a run's outcome can matter."""
        network = run.network
        return (
            (self.depths is None or network.depth in self.depths)
            and (self.widths is None or network.kind in self.widths)
            and (self.networks is None or getattr(network, "name", None) in self.networks)
        )


class Claim(Strict):
    """One entry of `references/claims.yaml`."""

    experiment: str
    source: str
    statement: str
    criterion: str
    measure: dict[str, Any]
    holds: Bounds
    required: Required = Field(default_factory=Required)
    easier_with_less: bool = False
    """A smaller budget makes the criterion easier to meet, as where a network is to fail: below the required one
    the claim is *inconclusive* also where it holds."""

    def fault(self, measures: Measures) -> str | None:
        """Return what is wrong with the measure, `None` where nothing is."""
        called = str(self.measure.get("name"))
        if called not in measures:
            return f"no such measure; there are: {', '.join(measures)}"
        arguments = {key: value for key, value in self.measure.items() if key != "name"}
        try:
            inspect.signature(measures[called]).bind((), **arguments)
        except TypeError as error:
            return f"{called}: {error}"
        return None


def read_claims(known: Mapping[str, Measures], every: bool = False) -> dict[str, Claim]:
    """Return claims by id, in the order of `references/claims.yaml`.

    Args:
        known: Experiments by name, with their measures: those whose claims are asked for.
        every: These are all the experiments there are; a claim of another one is at fault.

    Raises:
        HighwaysError: An entry is at fault; one line that names it.
    """
    where = "references/claims.yaml"
    found = {}
    for name, entry in read_mapping(paths.references() / "claims.yaml").items():
        claim = validate(Claim, entry, f"{where}: {name}")
        if claim.experiment not in known:
            if every:
                named = f"no such notebook; there are: {', '.join(known)}"
                raise HighwaysError(f"{where}: {name}: key 'experiment': {named}, found {claim.experiment!r}")
            continue
        if (fault := claim.fault(known[claim.experiment])) is not None:
            raise HighwaysError(f"{where}: {name}: key 'measure': {fault}")
        found[name] = claim
    return found


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

    @property
    def own(self) -> bool:
        """Whether it is a question or a calculation of ours, not a source's claim."""
        return self.source.startswith("our ")


def judge(name: str, claim: Claim, measures: Measures, records: Listed, profile: str) -> Judgement:
    """Judge one claim.

    The scope is *stand-in* where the data are not the required ones; *full* where nothing is less than required;
    *pruned* where a search with rungs began with all trials and trained the survivors to the end; else *reduced*:
    epochs, trials, seeds or depths are fewer, or widths are others. A criterion that holds makes the claim
    *replicated* within that scope, but for one that is easier with less: that needs a full or pruned scope. One that
    fails makes it *not replicated* at full or pruned scope and *inconclusive* otherwise. Where an interval is
    measured, all of it must keep the bounds, or all of it break them; one that lies across a bound is
    *inconclusive*. A claim is *not run* as long as a run that it concerns is missing.

    Args:
        name: The claim's id.
        claim: The claim.
        measures: Its experiment's.
        records: What the notebook's parameters list, as far as it is there.
        profile: Name of the profile.
    """
    required, called = claim.required, claim.measure["name"]
    calculated = getattr(measures[called], "calculation", False)
    records = _of_data_sets(required, records)
    own = study(records, claim.measure["of"]) if called.startswith("study_") else None
    if calculated:
        value, complete = measured(measures, claim.measure, records), True
    else:
        value = measured(measures, claim.measure, records) if not records.empty else None
        complete = own is not None or (records.known and not _awaited(required, records))
    verdict: Verdict = "not run"
    scope: Scope = ""
    concerned = [run for run in records if required.concerns(run.config)]
    if value is None and complete and concerned and all(run.status == "diverged" for run in concerned):
        verdict, scope = "inconclusive", _scope(required, records)  # there is nothing to measure
    if value is not None and complete:
        scope = "full" if calculated else _scope(required, records, own)
        kept, decisive = claim.holds.keep(value), scope in ("full", "pruned")
        if kept is None or not (decisive or (kept and not claim.easier_with_less)):
            verdict = "inconclusive"
        else:
            verdict = "replicated" if kept else "not replicated"
    data = ", ".join(records.data) if own is None else own.data
    return Judgement(
        claim_id=name,
        source=claim.source,
        statement=claim.statement,
        criterion=claim.criterion,
        required=required.text(),
        measured="" if value is None or not complete else _text(value),
        verdict=verdict,
        scope=scope,
        data="" if verdict == "not run" or calculated else data,
        profile=profile,
    )


def _text(value: float | Interval) -> str:
    return " to ".join(f"{end:.4g}" for end in value) if isinstance(value, tuple) else f"{value:.4g}"


def _of_data_sets(required: Required, records: Listed) -> Listed:
    """Return what is on the required data or, where there is none, on its stand-in or the first data set there is."""
    there = list(dict.fromkeys([*records.data, *(run.data.name for run in records.missing)]))
    wanted = required.data_sets or there[:1]
    chosen = [next((one for one in (name, STAND_INS.get(name)) if one in there), None) for name in wanted]
    if None in chosen:
        chosen = [chosen[0] or next(iter(there), None)]
    return records.on(*chosen)


def _awaited(required: Required, records: Listed) -> bool:
    """Tell whether runs are missing that the claim needs.

    Of a search with rungs those of the last one do not matter once as many as the claim requires have been trained to
    its end: the search takes the best of the rung before first.
    """
    for run in filter(required.concerns, records.missing):
        cell = [one for one in records if _cell(one.config) == _cell(run) and required.concerns(one.config)]
        lengths = {one.config.budget.epochs for one in cell}
        ended = [one for one in cell if one.status == "finished" and one.config.budget.epochs == run.budget.epochs]
        in_last_rung = len(lengths) > 1 and max(lengths) == run.budget.epochs >= (required.epochs or 0)
        if not in_last_rung or required.survivors is None or len(ended) < required.survivors:
            return True
    return False


def _cell(run: RunConfig) -> tuple[str, int]:
    return run.network.kind, run.network.depth


def _scope(required: Required, records: Listed, of: AnalysisRecord | None = None) -> Scope:
    data = records.data if of is None else [of.data]
    if required.data is not None and set(data) != set(required.data_sets):
        return "stand-in"
    if of is not None:  # a study, which has no runs
        settings = of.config.measure
        asked = {name: getattr(required, name) or 0 for name in OF_STUDIES}
        return "full" if all(getattr(settings, name, 0) >= least for name, least in asked.items()) else "reduced"
    wanted = [record for record in records if required.concerns(record.config)]
    cells: dict[tuple[str, int], list[RunRecord]] = {}
    for record in wanted:
        cells.setdefault(_cell(record.config), []).append(record)
    kinds = {kind for kind, _ in cells} | set(required.widths or {})
    complete = {(kind, depth) for kind in kinds for depth in required.depths or []} <= cells.keys()
    widths = {(record.config.network.kind, record.config.network.width) for record in wanted}
    as_wide = required.widths is None or widths <= set(required.widths.items())
    found = {_scope_of_cell(required, runs) for runs in cells.values()}
    if not wanted or not complete or not as_wide or "reduced" in found:
        return "reduced"
    return "pruned" if "pruned" in found else "full"


def _scope_of_cell(required: Required, runs: list[RunRecord]) -> Scope:
    """Return the scope of the runs of one kind of network at one depth, by their number and length."""
    epochs = [record.config.budget.epochs for record in runs]
    seeds = {record.config.seed for record in runs}
    if min(map(_trained_on, runs)) < (required.training_examples or 0) or len(seeds) < (required.seeds or 0):
        return "reduced"
    if min(epochs) == max(epochs):
        return "full" if len(runs) >= (required.trials or 0) and epochs[0] >= (required.epochs or 0) else "reduced"
    ended = [record.config.budget.epochs for record in runs if record.status == "finished"]
    first, last = epochs.count(min(epochs)), ended.count(max(epochs))
    enough = first >= (required.trials or 0) and required.survivors is not None and last >= required.survivors
    return "pruned" if enough and max(epochs) >= (required.epochs or 0) else "reduced"


def shortfalls(claim: Claim, records: Listed) -> dict[str, tuple[str, str]]:
    """Return in what the runs that a verdict rests on fall short of what the claim requires.

    Args:
        claim: The claim.
        records: What the notebook's parameters list, as far as it is there.

    Returns:
        By what it is (`data`, `epochs`, `trials`, `seeds`, `depths`, `widths`, ...): what is required, what there is.
    """
    required, records = claim.required, _of_data_sets(claim.required, records)
    called = claim.measure["name"]
    own = study(records, claim.measure["of"]) if called.startswith("study_") else None
    data = records.data if own is None else [own.data]
    found: dict[str, tuple[str, str]] = {}
    if required.data is not None and set(data) != set(required.data_sets):
        found["data"] = (" ".join(required.data_sets), " ".join(data) or "none")
    if own is not None:
        had: dict[str, int] = {name: getattr(own.config.measure, name, 0) for name in OF_STUDIES}
    else:
        wanted = [record for record in records if required.concerns(record.config)]
        had = _least(wanted)
        there = {record.config.network.depth for record in wanted}
        if missing := [str(depth) for depth in required.depths or [] if depth not in there]:
            found["depths"] = (" ".join(map(str, required.depths or [])), f"not {' '.join(missing)}")
        widths = {(record.config.network.kind, record.config.network.width) for record in wanted}
        if required.widths is not None and not widths <= set(required.widths.items()):
            found["widths"] = (_widths(required.widths.items()), _widths(widths))
    for name, number in had.items():
        if (asked := getattr(required, name) or 0) > number:
            found[name] = (f"{asked:,}", f"{number:,}")
    return found


def _widths(widths: Iterable[tuple[str, int]]) -> str:
    """Return widths by kind of network on one line; one number where they are the same."""
    rows = sorted(widths)
    numbers = {width for _, width in rows}
    return str(*numbers) if len(numbers) == 1 else " ".join(f"{kind} {width}" for kind, width in rows)


def _least(runs: list[RunRecord]) -> dict[str, int]:
    """Return the longest training, the number of runs and of seeds of the kind of network and depth that has least."""
    cells: dict[tuple[str, int], list[RunRecord]] = {}
    for run in runs:
        cells.setdefault(_cell(run.config), []).append(run)
    if not cells:
        return {"epochs": 0, "trials": 0, "seeds": 0, "training_examples": 0}
    return {
        "epochs": min(max(run.config.budget.epochs for run in cell) for cell in cells.values()),
        "trials": min(len(cell) for cell in cells.values()),
        "seeds": min(len({run.config.seed for run in cell}) for cell in cells.values()),
        "training_examples": min(map(_trained_on, runs)),
    }


def _trained_on(run: RunRecord) -> int:
    return run.config.data.training_examples or examples(run.config.data.name, "train")


def headline(judgements: Sequence[Judgement]) -> str:
    """Return the counts on one line, with their scope: the sources' claims, then our own questions."""
    theirs = [judgement for judgement in judgements if not judgement.own]
    ours = [judgement for judgement in judgements if judgement.own]
    text = f"{len(theirs)} claims of the sources: {_counts(theirs)}"
    return f"{text}. {len(ours)} questions and calculations of our own: {_counts(ours)}" if ours else text


def by_whose(judgements: Iterable[Judgement]) -> dict[str, dict[str, int]]:
    """Return the number of each verdict, sorted: on the `sources`' claims and on `our_own`."""
    found = {"sources": Counter[str](), "our_own": Counter[str]()}
    for judgement in judgements:
        found["our_own" if judgement.own else "sources"][judgement.verdict] += 1
    return {whose: dict(sorted(counts.items())) for whose, counts in found.items()}


def _counts(judgements: Sequence[Judgement]) -> str:
    parts = []
    for verdict in VERDICTS:
        chosen = [judgement.scope for judgement in judgements if judgement.verdict == verdict]
        scopes = [f"{chosen.count(scope)} {scope}" for scope in SCOPES if scope in chosen]
        if chosen:
            parts.append(f"{len(chosen)} {verdict}" + (f" ({', '.join(scopes)})" if scopes else ""))
    return ", ".join(parts)


def frame(judgements: Sequence[Judgement]) -> pd.DataFrame:
    """Return judgements as a table."""
    columns = [field.name for field in fields(Judgement)]
    return pd.DataFrame([astuple(judgement) for judgement in judgements], columns=columns)


def claims_text(judgements: Sequence[Judgement]) -> str:
    """Return the content of `claims.csv`."""
    return frame(judgements).to_csv(index=False, lineterminator="\n")
