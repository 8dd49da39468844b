"""Data that the project generates: tweets, and a task with 144 features and a weak, nonlinear signal.

The tweets come from a small grammar in which word order decides the label. Negation inverts an adjective ("not bad at
all"), the main clause of a contrast counts ("great cast but a dull film"), and so does the stronger of two judgements
joined by "and" ("slightly dull and really funny"). Every adjective is as frequent in positive tweets as in negative
ones, so that counting words does not help; `02_bilstm_depth` shows the accuracy of a bag of words.
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
"""Arguments of `sklearn.datasets.make_classification`. Six features decide the class, by sixteen clusters at corners of
a cube, so that a plane separates little; 60 features are mixtures of these, 78 are noise; a fifth of the labels are
redrawn. Chosen, before any network of this project saw the data, by the accuracy on 20,000 examples of logistic
regression, 0.66, and of scikit-learn's MLP (32 and 32 units, 10 epochs), 0.80."""
GENERATORS: dict[str, dict[str, object]] = {
    "synthetic-tweets": {"name": "synthetic-tweets", "version": 1},
    "weak-signal": {"name": "weak-signal", "version": 1, **WEAK_SIGNAL},
}
"""What enters the fingerprint of each data set. Raise the version if the generated data change."""

ADJECTIVES = (
    ("bad", "dull", "awful", "boring", "weak", "silly", "lame", "flat", "sloppy", "tedious"),
    ("good", "great", "funny", "brilliant", "moving", "clever", "lovely", "fresh", "sharp", "sweet"),
)
"""Negative adjectives, then positive ones."""
SUBJECTS = ("film", "cast", "plot", "ending", "score", "script", "acting", "story", "sequel", "dialogue")
STRONG, WEAK = ("really", "very", "so", "truly"), ("slightly", "somewhat", "a bit", "kind of")
NEGATIONS = ("{} is not {}", "{} is not {} at all", "{} is never {}", "{} is hardly {}", "{} is far from {}")
CONTRASTS = ("{1} but {0}", "although {1} , {0}", "{0} , although {1}", "{1} , and yet {0}", "{0} , even if {1}")
OPENINGS = ("", "", "", "", "omg", "well", "ok so", "@user", "saw it :", "tbh")
CLOSINGS = ("", "", "", "", "#movies", "lol", "!", "...", "#film !", "rt")


def _subject(draw: random.Random) -> str:
    return f"{draw.choice(('the', 'this', 'that'))} {draw.choice(SUBJECTS)}"


def _clause(draw: random.Random, says: int) -> str:
    """Return a clause with the label `says`, which is negated half the time."""
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


def tweets(count: int, seed: int) -> list[tuple[str, int]]:
    """Return `count` distinct tweets with labels, alternately 0 and 1 (positive); equal seeds give equal tweets."""
    draw = random.Random(seed)
    made: dict[str, int] = {}
    while len(made) < count:
        kind, says = draw.choices((_clause, _contrast, _degrees), weights=(2, 2, 1))[0], len(made) % 2
        text = f"{draw.choice(OPENINGS)} {kind(draw, says)} {draw.choice(CLOSINGS)}"
        made.setdefault(" ".join(text.split()), says)
    return list(made.items())


def weak_signal(examples: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return features, `(examples, 144)`, and classes 0 and 1, `(examples,)`; another number changes every example.

    Source: the Keras/Lasagne question has 144 features, two classes, and a logistic regression that its Keras
    network hardly beats; its data are not public.
    """
    from sklearn.datasets import make_classification  # takes a second to import

    x, y = make_classification(examples, **WEAK_SIGNAL)
    return np.asarray(x), np.asarray(y)
