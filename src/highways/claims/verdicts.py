"""The words of a judgement, and how they are counted."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, get_args

Verdict = Literal[
    "replicated", "not replicated", "consistent", "inconclusive", "by construction", "cannot be judged", "not run"
]
"""`consistent`: the criterion holds, at a scope below full and pruned, at which it could not have failed;
`by construction`: it holds by arithmetic, or because we chose the set-up so; `cannot be judged`: its data were never
published."""
Scope = Literal["full", "pruned", "reduced", "stand-in", ""]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
SCOPES: tuple[Scope, ...] = get_args(Scope)[:-1]
"""Those that a claim which was run can have, the best first."""


def counted(words: Iterable[str] | Mapping[str, int], order: Sequence[str] = VERDICTS) -> str:
    """Return verdicts or scopes, or numbers of them, on one line, in an order."""
    numbers = Counter(words)
    return ", ".join(f"{numbers[word]} {word}" for word in order if numbers[word])
