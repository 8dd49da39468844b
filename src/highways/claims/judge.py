"""From claims and runs to verdicts."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from operator import ge, gt, le, lt
from typing import Any, Self

import pandas as pd
from pydantic import Field, model_validator

from highways import paths
from highways.claims.required import Evidence, Required
from highways.claims.values import Interval, Measures, Networks, measured, measured_of_networks
from highways.claims.verdicts import SCOPES, VERDICTS, Scope, Verdict, counted
from highways.config import Strict, read_mapping, validate
from highways.config.data import UNPUBLISHED
from highways.errors import HighwaysError
from highways.inside.statistics import FEWEST_FOR_INTERVAL
from highways.tracking import Listed

KEEPS = {"above": [gt], "below": [lt], "at_least": [ge], "at_most": [le], "equals": [ge, le]}
"""Comparisons that a value within a bound satisfies, by the bound's name."""


class Bounds(Strict):
    """Bounds that a measured value must satisfy, all of them."""

    above: float | None = None
    below: float | None = None
    at_least: float | None = None
    at_most: float | None = None
    equals: float | None = None

    def keep(self, value: float | Interval) -> bool | None:
        """Tell whether a value, or a whole interval, is within the bounds; `None` for NaN or if only part of it is."""
        low, high = value[:2] if isinstance(value, Interval) else (value, value)
        asked = [(keeps, bound) for name, bound in self if bound is not None for keeps in KEEPS[name]]
        if math.isnan(low + high):
            return None
        if all(keeps(end, bound) for keeps, bound in asked for end in (low, high)):
            return True
        return None if all(keeps(low, bound) or keeps(high, bound) for keeps, bound in asked) else False


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
    """A smaller budget makes the criterion easier to meet, for example if a network is expected to fail: below the
    required budget the claim is *inconclusive* even if it holds."""
    each_network: bool = False
    """Measure every analysed network: two of three must agree, or both of two."""
    beyond_untrained: bool = False
    """A network counts only if it is further, in the criterion's direction, than the same network before training."""
    by_construction: bool = False
    """The criterion holds by arithmetic, or because of how we chose the set-up."""
    restated: str = ""
    """When and why the criterion or requirement changed; committed before the runs that the new version judges."""

    @model_validator(mode="after")
    def _control_of_each(self) -> Self:
        if self.beyond_untrained and not self.each_network:
            raise ValueError("beyond_untrained needs each_network: every network is held against its own control")
        return self

    def keeps(self, value: float | Interval | Networks) -> bool | None:
        """Tell whether a measured value meets the criterion; `None` if it does not decide."""
        if not isinstance(value, Networks):
            return self.holds.keep(value)
        upwards = self.holds.above is not None or self.holds.at_least is not None
        kept = []
        for trained, control in zip(value.values, value.untrained, strict=True):
            beyond = trained > control if upwards else trained < control
            keeps = self.holds.keep(trained)
            kept.append(None if keeps and self.beyond_untrained and not beyond else keeps)
        return next((answer for answer in (True, False) if 3 * kept.count(answer) >= 2 * len(kept)), None)

    def evidence(self, records: Listed) -> Evidence:
        """Select the evidence for a verdict from the listed runs, on the required data sets or their stand-ins."""
        records = self.required.of_data_sets(records)
        study = records.study(self.of_study) if self.of_study else None
        return Evidence(self.required, Listed(analyses=[study]) if study else records, study)

    @property
    def of_study(self) -> str | None:
        """Kind of the study that the claim is about; `None` if it is about runs."""
        return self.measure["of"] if str(self.measure.get("name")).startswith("study_") else None


def read_claims(known: Mapping[str, Measures], every: bool = False) -> dict[str, Claim]:
    """Read and check the claims of the `known` experiments, by id, in the order of `references/claims.yaml`.

    `known` has each experiment's measures; with `every` it has all experiments, and a claim of any other is an error.
    """
    where = "references/claims.yaml"
    claims = {}
    for name, entry in read_mapping(paths.root() / "references" / "claims.yaml").items():
        claim = validate(Claim, entry, f"{where}: {name}")
        if claim.experiment in known:
            known[claim.experiment].read(claim.measure, f"{where}: {name}: key 'measure'")
            claims[name] = claim
        elif every:
            named = f"no such notebook; there are: {', '.join(known)}"
            raise HighwaysError(f"{where}: {name}: key 'experiment': {named}, found {claim.experiment!r}")
    return claims


@dataclass(frozen=True)
class Judgement:
    """A row of `claims.csv`; for the meaning of `scope` see `judge`.

    `measured` is a number or an interval. Fewer than five values say more than their interval, and follow it:
    `0.157 to 0.158 (0.1569, 0.1574, 0.1581)`.
    """

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
    fixed: str = ""
    """When the criterion was fixed relative to its runs; see `highways.claims.history`."""

    @property
    def own(self) -> bool:
        """Whether it is our own question or calculation, not a claim of a source."""
        return self.source.startswith("our ")


def judge(name: str, claim: Claim, measures: Measures, records: Listed, profile: str) -> Judgement:
    """Judge one claim on the existing records of what the notebook's parameters list.

    The scope is *stand-in* if the data are not the required ones; *full* if every requirement is met; *pruned* if a
    search with rungs began with all trials and trained only the survivors to the end, or if only those survivors are
    listed, as for analysed networks; otherwise *reduced*: fewer epochs, trials, seeds or depths, or other widths.

    At full or pruned scope a claim is *replicated* if its criterion holds and *not replicated* if it fails. At a lower
    scope it is *consistent* if the criterion holds, unless a smaller budget makes that easier, and otherwise
    *inconclusive*. An interval decides only if all of it meets the bounds or all of it breaks them; otherwise the claim
    is *inconclusive*, as it is if a network was not trained as far as required (`trained_to`). A claim whose data were
    never published *cannot be judged*. A claim is *not run* as long as a run that it needs is missing.
    """
    evidence, calculated = claim.evidence(records), measures.needs_no_runs(claim.measure)
    measuring = measured_of_networks if claim.each_network else measured
    try:
        value = measuring(measures, claim.measure, evidence.records) if calculated or evidence.complete else None
    except HighwaysError as error:
        raise HighwaysError(f"references/claims.yaml: {name}: key 'measure': {error}") from None
    verdict: Verdict = "not run"
    scope: Scope = ""
    if value is not None:
        scope = "full" if calculated else evidence.scope
        verdict = _verdict(claim, claim.keeps(value), scope, "trained_to" in evidence.gaps)
    elif evidence.complete and {run.status for run in evidence.runs} == {"diverged"}:
        verdict, scope = "inconclusive", evidence.scope  # all its runs diverged: there is nothing to measure
    return Judgement(
        claim_id=name,
        source=claim.source,
        statement=claim.statement,
        criterion=claim.criterion,
        required=claim.required.text(),
        measured="" if value is None else measured_text(value),
        verdict=verdict,
        scope=scope,
        data="" if verdict == "not run" or calculated else ", ".join(evidence.records.data),
        profile=profile,
    )


def _verdict(claim: Claim, kept: bool | None, scope: Scope, untrained: bool) -> Verdict:
    """Return the verdict, given whether the criterion is `kept`; `None` if what was measured does not decide."""
    if UNPUBLISHED in claim.required.data_sets:
        return "cannot be judged"
    if kept is None or untrained:
        return "inconclusive"
    if scope not in ("full", "pruned"):
        return "consistent" if kept and not claim.easier_with_less else "inconclusive"
    if not kept:
        return "not replicated"
    return "by construction" if claim.by_construction else "replicated"


def measured_text(value: float | Interval | Networks) -> str:
    """Format a measured value for `claims.csv`."""
    if isinstance(value, Networks):
        controls = [one for one in value.untrained if not math.isnan(one)]
        return _listed(value.values) + (f"; untrained {_listed(controls)}" if controls else "")
    if not isinstance(value, Interval):
        return _listed([value])
    few = value.values if 1 < len(value.values) < FEWEST_FOR_INTERVAL else ()
    behind = _listed(few if value.point is None else [value.point])
    return f"{value.low:.4g} to {value.high:.4g}" + (f" ({behind})" if behind else "")


def _listed(values: Iterable[float]) -> str:
    return ", ".join(f"{value:.4g}" for value in values)


def headline(judgements: Sequence[Judgement]) -> str:
    """Count verdicts and their scopes on one line: the sources' claims, then our own questions."""
    theirs, ours = ([row for row in judgements if row.own == own] for own in (False, True))
    text = f"{len(theirs)} claims of the sources: {_counts(theirs)}"
    return f"{text}. {len(ours)} questions and calculations of our own: {_counts(ours)}" if ours else text


def _counts(judgements: Sequence[Judgement]) -> str:
    scopes = {verdict: [row.scope for row in judgements if row.verdict == verdict] for verdict in VERDICTS}
    parts = [f"{len(of)} {verdict} ({counted(of, SCOPES)})".removesuffix(" ()") for verdict, of in scopes.items() if of]
    return ", ".join(parts) or "none"


def by_whose(judgements: Sequence[Judgement]) -> dict[str, Counter[str]]:
    """Count each verdict, sorted by name, on the `sources`' claims and on `our_own`."""
    theirs, ours = (Counter(sorted(row.verdict for row in judgements if row.own == own)) for own in (False, True))
    return {"sources": theirs, "our_own": ours}


def frame(judgements: Sequence[Judgement]) -> pd.DataFrame:
    """Return judgements as a table."""
    return pd.DataFrame(map(vars, judgements), columns=[field.name for field in fields(Judgement)])


def claims_text(judgements: Sequence[Judgement]) -> str:
    """Return the content of `claims.csv`."""
    return frame(judgements).to_csv(index=False, lineterminator="\n")
