"""Data that the project makes: tweets, and a task of 144 features with a weak, nonlinear signal.

The tweets come from a small grammar in which the order of words decides what a tweet says. Negation turns an
adjective around ("not bad at all"), of a contrast the main clause counts ("great cast but a dull film"), and of
two judgements joined by "and" the stronger one ("slightly dull and really funny"). Every adjective is as frequent
in positive tweets as in negative ones, so that counting words does not help; `02_bilstm_depth` shows what a bag of
words gets.
"""

import random

import numpy as np
from numpy.typing import NDArray

WEAK_SIGNAL = {
    "n_features": 144,
    "n_informative": 6,
    "n_redundant": 60,
    "n_clusters_per_class": 8,
    "class_sep": 1.5,
    "flip_y": 0.2,
    "random_state": 0,
}
"""Of `sklearn.datasets.make_classification`. Six numbers decide, by sixteen clusters at corners of a cube, so that a
plane separates little; sixty features are mixtures of them, 78 are noise; a fifth of the labels are redrawn. Chosen
by what logistic regression and scikit-learn's MLP (32 and 32 units, 10 epochs) reach on 20,000 examples, 0.66 and
0.80, before any network of this project saw it."""
GENERATORS: dict[str, dict[str, object]] = {
    "synthetic-tweets": {"name": "synthetic-tweets", "version": 1},
    "weak-signal": {"name": "weak-signal", "version": 1, **WEAK_SIGNAL},
}
"""What enters the fingerprint of each data set. Raise a version when what is generated changes."""

ADJECTIVES = (
    ("bad", "dull", "awful", "boring", "weak", "silly", "lame", "flat", "sloppy", "tedious"),
    ("good", "great", "funny", "brilliant", "moving", "clever", "lovely", "fresh", "sharp", "sweet"),
)
"""Negative ones, positive ones."""
SUBJECTS = ("film", "cast", "plot", "ending", "score", "script", "acting", "story", "sequel", "dialogue")
STRONG, WEAK = ("really", "very", "so", "truly"), ("slightly", "somewhat", "a bit", "kind of")
NEGATIONS = ("{} is not {}", "{} is not {} at all", "{} is never {}", "{} is hardly {}", "{} is far from {}")
CONTRASTS = ("{1} but {0}", "although {1} , {0}", "{0} , although {1}", "{1} , and yet {0}", "{0} , even if {1}")
OPENINGS = ("", "", "", "", "omg", "well", "ok so", "@user", "saw it :", "tbh")
CLOSINGS = ("", "", "", "", "#movies", "lol", "!", "...", "#film !", "rt")


def _subject(draw: random.Random) -> str:
    return f"{draw.choice(('the', 'this', 'that'))} {draw.choice(SUBJECTS)}"


def _clause(draw: random.Random, says: int) -> str:
    """Return a clause that says `says`, by negation in one case of two."""
    negated = draw.random() < 0.5
    adjective = draw.choice(ADJECTIVES[says ^ negated])
    if not negated:
        degree = draw.choice(("", "", *STRONG))
        return " ".join(f"{_subject(draw)} is {degree} {adjective}".split())
    return draw.choice(NEGATIONS).format(_subject(draw), adjective)


def _contrast(draw: random.Random, says: int) -> str:
    counts, other = _clause(draw, says), _clause(draw, 1 - says)
    return draw.choice(CONTRASTS).format(counts, other)


def _degrees(draw: random.Random, says: int) -> str:
    strong = f"{draw.choice(STRONG)} {draw.choice(ADJECTIVES[says])}"
    weak = f"{draw.choice(WEAK)} {draw.choice(ADJECTIVES[1 - says])}"
    pair = (strong, weak) if draw.random() < 0.5 else (weak, strong)
    return f"{_subject(draw)} is {pair[0]} and {pair[1]}"


def tweet(draw: random.Random, says: int) -> str:
    """Return one tweet that says 0, something negative, or 1."""
    kind = draw.choices((_clause, _contrast, _degrees), weights=(2, 2, 1))[0]
    return " ".join(f"{draw.choice(OPENINGS)} {kind(draw, says)} {draw.choice(CLOSINGS)}".split())


def tweets(count: int, seed: int) -> list[tuple[str, int]]:
    """Return `count` different labelled tweets, as many positive as negative; equal seeds give equal ones."""
    draw = random.Random(seed)
    made: dict[str, int] = {}
    while len(made) < count:
        made.setdefault(tweet(draw, len(made) % 2), len(made) % 2)
    return list(made.items())


def weak_signal(examples: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return features, `(examples, 144)`, and classes 0 and 1, `(examples,)`; with another number all are others.

    Source: the Keras/Lasagne question has 144 features, two classes, and a logistic regression that its Keras
    network hardly beats; its data are not public.
    """
    from sklearn.datasets import make_classification  # takes a second to import

    x, y = make_classification(examples, **WEAK_SIGNAL)
    return np.asarray(x), np.asarray(y)
