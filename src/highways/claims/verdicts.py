"""The words of a verdict and its scope, and how to count them."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, get_args

Verdict = Literal[
    "replicated", "not replicated", "consistent", "inconclusive", "by construction", "cannot be judged", "not run"
]
"""`consistent`: the criterion holds, at a scope below full and pruned, where it could not have been refuted;
`by construction`: it holds by arithmetic, or because of how we chose the set-up; `cannot be judged`: its data were
never published."""
Scope = Literal["full", "pruned", "reduced", "stand-in", ""]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
SCOPES: tuple[Scope, ...] = get_args(Scope)[:-1]
"""Scopes of a claim that was run, the best first."""


def counted(words: Iterable[str] | Mapping[str, int], order: Sequence[str] = VERDICTS) -> str:
    """Count verdicts or scopes, or format given counts, on one line in a fixed order."""
    numbers = Counter(words)
    return ", ".join(f"{numbers[word]} {word}" for word in order if numbers[word])
