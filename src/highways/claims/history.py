"""When each criterion was fixed: read from git, stored in `references/history.csv`, compared with the runs' end times.

The file is committed, so that an archive or a shallow clone gives byte-identical verdicts to a full clone.
"""

import itertools
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pandas as pd
import yaml

from highways import paths
from highways.claims.judge import Claim
from highways.claims.values import Measures
from highways.errors import HighwaysError
from highways.tracking import Listed

CLAIMS, HISTORY = "references/claims.yaml", "references/history.csv"
DECISIVE = {"holds": "bounds", "required": "requirement"} | {key: key for key in ("statement", "criterion", "measure")}
"""Keys of a claim that decide its verdict, with the word for each."""
SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, if PyYAML has it


class Form(NamedTuple):
    """One form of a claim, with the commit that introduced it and its date, UTC; `entry` is its last version."""

    entry: Mapping[str, Any]
    commit: str
    at: str

    def changed(self, other: "Form") -> list[str]:
        """Name the decisive parts that differ from another form."""
        return sorted(word for key, word in DECISIVE.items() if self.entry.get(key) != other.entry.get(key))


Forms = Mapping[str, Sequence[Form]]
"""Forms of each claim, the newest first."""


class Fixed(NamedTuple):
    """A row of `references/history.csv`: the last commit that changed a claim's decisive parts, or added it (`new`)."""

    claim_id: str
    fixed_at: str
    commit: str
    changed: str
    rest_fixed_at: str
    """`fixed_at`, ignoring changes of the measure alone, which may be mere rewording."""
    earlier_forms: int


def forms_of_claims() -> Forms | None:
    """Return all forms of each claim in the last commit; `None` outside a full clone."""
    history, commit = dict[str, Forms](), ""
    try:
        log = _git("log", "--full-history", "--simplify-merges", "--reverse", "--format=%H|%P|%cI", "--", CLAIMS)
        if not log or _git("rev-parse", "--is-shallow-repository").strip() != "false":
            return None
        for commit, parents, date in (line.split("|") for line in log.splitlines()):
            before = [history[parent] for parent in parents.split()]
            at = datetime.fromisoformat(date).astimezone(UTC).isoformat()
            try:
                entries = yaml.load(_git("show", f"{commit}:./{CLAIMS}"), SafeLoader) or {}
            except yaml.YAMLError:  # a later commit repairs it: use the version before
                history[commit] = before[0] if before else {}
                continue
            history[commit] = {
                name: _forms(Form(entry, commit, at), [forms[name] for forms in before if name in forms])
                for name, entry in entries.items()
            }
    except (OSError, subprocess.SubprocessError):  # git is missing or does not answer
        return None
    return history[commit]


def _forms(here: Form, before: Sequence[Sequence[Form]]) -> Sequence[Form]:
    """Return a claim's forms as of a commit: a new one if it differs from the claim in each of the commit's parents."""
    for now, *earlier in before:
        if not here.changed(now):
            return [now._replace(entry=here.entry), *earlier]
    return [here, *next(iter(before), ())]


def _git(*arguments: str) -> str:
    """Return git's output; empty outside a clone, or for a file that the commit lacks."""
    command = ["git", "-C", str(paths.root()), *arguments]
    return subprocess.run(command, capture_output=True, encoding="utf-8", timeout=60).stdout


def fixed_by_git(forms: Forms) -> list[Fixed]:
    """Return when each claim was last changed, by git's history."""
    rows = []
    for name, (now, *before) in forms.items():
        same = list(itertools.takewhile(lambda form, now=now: set(now.changed(form)) <= {"measure"}, before))
        changed = ", ".join(now.changed(before[0])) if before else "new"
        rows.append(Fixed(name, now.at, now.commit, changed, [now, *same][-1].at, len(before)))
    return rows


def history_text(rows: Iterable[Fixed]) -> str:
    """Return the content of `references/history.csv`."""
    return pd.DataFrame(list(rows), columns=list(Fixed._fields)).to_csv(index=False, lineterminator="\n")


def read_history() -> dict[str, Fixed]:
    """Read and check the committed history, by claim; empty if there is no file."""
    path = paths.root() / HISTORY
    if not path.exists():
        return {}
    try:
        rows = pd.read_csv(path, dtype={"commit": str}).to_dict("records")
        return {str(row["claim_id"]): Fixed(**row) for row in rows}  # type: ignore[misc]
    except (ValueError, LookupError, TypeError, OSError):
        where = paths.shown(path)
        raise HighwaysError(f"{where}: not the history of the claims; `highways claims --history` makes it") from None


def fixed(since: Fixed | None, claim: Claim, measures: Measures, records: Listed) -> str:
    """Say how many of the runs, or studies, that a claim is judged on had finished when the claim was fixed.

    `since` is `None` if that is unknown; `records` are the existing ones of what the notebook's parameters list.
    """
    if measures.needs_no_runs(claim.measure):
        return "needs no runs"
    evidence = claim.evidence(records)
    made = evidence.runs or evidence.records.analyses
    if not made or since is None:
        return "" if made else "no runs yet"
    what = "runs" if evidence.study is None else "studies"
    ends = [datetime.fromisoformat(one.finished_at) for one in made]
    fixed_at = map(datetime.fromisoformat, (since.fixed_at, since.rest_fixed_at))
    number, rest = (sum(end < at for end in ends) for at in fixed_at)
    if not number:
        return f"before its {what}"
    but = "; the rest " + (f"after {rest}" if rest else f"before its {what}") if rest < number else ""
    return f"after {number} of {len(made)} {what} ({since.changed}{but})"


def summary(texts: Iterable[str]) -> str:
    """Count, on one line, the criteria fixed before, between and after their runs, given the texts from `fixed`."""
    texts = list(texts)
    before = sum(text.startswith("before") for text in texts)
    after = [text for text in texts if text.startswith("after")]
    whole = sum(re.match(r"after (\d+) of \1 ", text) is not None for text in after)
    written = sum("(measure; the rest before" in text for text in after)
    return (
        f"{before} of {before + len(after)} criteria were fixed before the first of their runs, {len(after) - whole} "
        f"between, {whole} after; of those not before, {written} changed only in how the measure is written"
    )
