"""The documents that claims come from, and how their numbers are written."""

import math
import re

from highways.claims.values import Unit
from highways.show.tables import number

OWN = "our own"

DOCUMENTS = {
    "P1": "P1, Highway Networks",
    "P2": "P2, Training Very Deep Networks",
    "Highway BiLSTM article": "Highway BiLSTM article",
    "Keras/Lasagne question": "Keras/Lasagne question",
    "NumPy/Keras question": "NumPy/Keras question",
    "initialisation questions": "Initialisation questions",
    OWN: "Our own questions and calculations",
}
"""Titles of the documents by their name in a claim's source, in the order of `references/README.md`."""


def documents(source: str) -> tuple[str, ...]:
    """Return the documents that a claim's source names, as keys of `DOCUMENTS`; text in parentheses is ignored."""
    if source.startswith("our "):
        return (OWN,)
    text = re.sub(r"\([^)]*\)", "", source)
    return tuple(name for name in DOCUMENTS if re.search(rf"\b{re.escape(name)}\b", text)) or (source.split(",")[0],)


def numbers_of(measured: str) -> tuple[list[float], list[float]]:
    """Parse `measured` of `claims.csv`: one number or an interval's two ends, and the few values behind them."""
    ends, _, each = measured.partition("; untrained ")[0].removesuffix(")").partition(" (")
    if ", " in ends:
        values = [float(value) for value in ends.split(", ")]
        return [min(values), max(values)], values
    return [float(end) for end in ends.split(" to ")], [float(value) for value in each.split(", ") if value]


def spoken(measured: str, unit: Unit) -> str:
    """Format `measured` of `claims.csv` with sensible digits and its unit; a few values precede their interval."""
    trained, _, untrained = measured.partition("; untrained ")
    if untrained:
        return f"{_spoken(trained, unit)} (untrained {_spoken(untrained, unit)})"
    interval, _, each = measured.removesuffix(")").partition(" (")
    return f"{_spoken(each, unit)} (interval {_spoken(interval, unit)})" if each else _spoken(interval, unit)


WORDS = {"ratio": " times", "share": " %", "correlation": "", "": ""}
"""Text that follows a number, by its unit, where that is not the unit's name."""


def _spoken(text: str, unit: Unit) -> str:
    """Format a list of numbers, or an interval, and its unit."""
    between = " to " if " to " in text else ", "
    values = [float(value) for value in text.split(between) if value]
    if not values or not all(map(math.isfinite, values)):
        return between.join(map(number, values))
    texts = [_percent(100 * value, unit) if unit in ("share", "points") else number(value) for value in values]
    return between.join(texts) + WORDS.get(unit, f" {unit}")


def _percent(percent: float, unit: Unit) -> str:
    """Format a percentage with one decimal, or as many as it takes to show its first nonzero digit."""
    decimals = 1 if abs(percent) >= 0.1 or percent == 0 else math.ceil(-math.log10(abs(percent)))
    sign = "+" if unit == "points" else ""
    return f"{percent + 0:{sign}.{decimals}f}"
