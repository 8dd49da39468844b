"""When criteria were fixed: what git says, the committed file, and the comparison with the runs' own times."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from checkout import git
from toolbox import config_of, record_of

from highways.claims.history import Fixed, Forms, fixed, fixed_by_git, forms_of_claims, history_text, read_history
from highways.claims.judge import Claim
from highways.claims.values import Measures
from highways.tracking import Listed

ENTRY = {"statement": "s", "criterion": "c", "measure": {"name": "m"}, "holds": {"below": 1}, "required": {}}
Commit = Callable[..., str]


@pytest.fixture
def commit(project: Path, monkeypatch: pytest.MonkeyPatch) -> Commit:
    """Commits claims on a day of January 2026, after some commands of git, and returns the commit."""

    def make(day: int, claims: dict[str, Any], *before: str) -> str:
        who = {"NAME": "t", "EMAIL": "t", "DATE": f"2026-01-{day:02}T12:00:00+01:00"}
        for name, value in who.items():
            monkeypatch.setenv(f"GIT_AUTHOR_{name}", value)
            monkeypatch.setenv(f"GIT_COMMITTER_{name}", value)
        for command in before:
            git(project, *command.split())
        (project / "references/claims.yaml").write_text(f"# {day}\n{yaml.safe_dump(claims)}{'}' * (not claims)}")
        git(project, "add", "references/claims.yaml")
        git(project, "commit", "-q", "-m", "claims")
        return git(project, "rev-parse", "HEAD").decode().strip()

    git(project, "init", "-q", "-b", "main")
    return make


def test_fixing_commit_is_the_last_that_changed_what_decides(commit: Commit) -> None:
    first = commit(1, {"a": ENTRY, "b": ENTRY, "gone": ENTRY})
    second = commit(2, {"a": ENTRY | {"source": "other"}, "b": ENTRY | {"holds": {"below": 2}}})
    commit(3, {})  # no valid YAML
    third = commit(3, {"a": ENTRY, "b": ENTRY | {"holds": {"below": 2}, "measure": {"name": "n"}}, "c": ENTRY})
    forms = forms_of_claims()
    assert forms is not None
    date = "2026-01-{:02}T11:00:00+00:00".format
    assert fixed_by_git(forms) == [
        Fixed("a", date(1), first, "new", date(1), 0),
        Fixed("b", date(3), third, "measure", date(2), 2),
        Fixed("c", date(3), third, "new", date(3), 0),
    ]
    assert [form.commit for form in forms["b"]] == [third, second, first]


def test_what_was_fixed_on_a_branch_was_fixed_before_its_merge(commit: Commit) -> None:
    changed_a, changed_b = ENTRY | {"criterion": "d"}, ENTRY | {"criterion": "e"}
    commit(1, {"a": ENTRY, "b": ENTRY})
    on_branch = commit(2, {"a": changed_a, "b": ENTRY}, "checkout -q -b other")
    on_main = commit(3, {"a": ENTRY, "b": changed_b}, "checkout -q main")
    commit(4, {"a": changed_a, "b": changed_b}, "merge -q --no-commit --no-ff -s ours other")
    forms = forms_of_claims()
    assert forms is not None
    assert {row.claim_id: row.commit for row in fixed_by_git(forms)} == {"a": on_branch, "b": on_main}


def unsaid(forms: Forms) -> list[str]:
    """Return the claims whose bounds changed last without a new `restated:` line."""
    found = []
    for name, (now, *before) in forms.items():
        earlier = next((one for one in before if "bounds" in now.changed(one)), None)
        if earlier and now.entry.get("restated") in (None, "", earlier.entry.get("restated")):
            found.append(name)
    return found


def test_changed_bound_needs_a_new_line(commit: Commit) -> None:
    wider = ENTRY | {"holds": {"below": 2}}
    said = wider | {"restated": "2026-01-02: wider"}
    commit(1, dict.fromkeys(("silent", "said", "said_later", "again"), ENTRY))
    commit(2, {"silent": wider, "said": said, "said_later": wider, "again": said})
    commit(3, {"silent": wider, "said": said, "said_later": said, "again": said | {"holds": {"below": 3}}})
    assert unsaid(forms_of_claims() or {}) == ["again", "silent"]


def test_runs_are_counted_by_their_own_times() -> None:
    network = {"kind": "highway", "depth": 10, "width": 8, "transform_bias": -1.0}
    sgd = {"kind": "sgd", "learning_rate": 0.1}
    runs = [
        record_of(config_of(network | {"depth": depth}, optimiser=sgd), {}, finished_at=f"2026-01-{day}T00:00:00+00:00")
        for depth, day in ((10, 10), (10, 20), (10, 30), (20, 1))
    ]
    content = ENTRY | {"experiment": "01_depth", "source": "our question", "required": {"depths": [10]}}
    claim = Claim.model_validate(content)
    measures = Measures({"m": lambda records: 1.0})
    for day, before, what, text in (
        ("05", "05", "new", "before its runs"),
        ("25", "05", "measure", "after 2 of 3 runs (measure; the rest before its runs)"),
        ("25", "15", "measure", "after 2 of 3 runs (measure; the rest after 1)"),
        ("31", "31", "bounds, criterion", "after 3 of 3 runs (bounds, criterion)"),
    ):
        row = Fixed("a", f"2026-01-{day}T00:00Z", "f", what, f"2026-01-{before}T00:00Z", 1)
        assert fixed(row, claim, measures, Listed(runs)) == text
        assert fixed(row, claim, measures, Listed(runs[3:])) == "no runs yet"
    assert fixed(None, claim, measures, Listed(runs)) == ""


def test_committed_history_is_what_git_says(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIGHWAYS_ROOT", str(repository))
    if (forms := forms_of_claims()) is None:
        pytest.skip("this is no full clone")
    if not {row.commit for row in read_history().values()} <= set(git(repository, "rev-list", "HEAD").decode().split()):
        pytest.skip("this clone has another history, of squashed or moved commits")
    current = history_text(fixed_by_git(forms)) == (repository / "references/history.csv").read_text()
    assert current, "once changed claims are committed, run `highways claims --history` and commit what it writes"
    assert unsaid(forms) == [], "these claims have other bounds than before, and no line `restated:` says so"


def test_outside_a_full_clone_the_committed_history_is_shown_and_kept(project: Path, says) -> None:
    before = (project / "references/history.csv").read_bytes()
    out = says("claims", "--history")
    assert "no full clone" in out
    assert "depth-plain-degrades" in out
    assert (project / "references/history.csv").read_bytes() == before
