"""Data of the user's own, by path: tables and sentences out of one file, images out of a folder.

Nothing is typed in that the data say themselves: classes, counts and the fingerprint follow from the content.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
import os
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from highways import paths
from highways.config.data import OwnFile
from highways.config.reading import quoted
from highways.errors import HighwaysError, printable

Part = Literal["train", "dev", "test"]
TABS = (".tsv", ".tab", ".txt")
"""Endings of files whose columns are separated by tabs; quotation marks are characters like others in them."""


class Own(NamedTuple):
    """What a user's file or folder holds.

    Attributes:
        x: An example each: numbers, a sentence, or the path of an image.
        y: Classes, `(examples,)`.
        part: What each example is for, `(examples,)`.
    """

    x: Sequence[Any]
    y: NDArray[np.int64]
    part: NDArray[np.str_]


def own_path(own: OwnFile) -> Path:
    """Return where a user's data lie."""
    return paths.root() / os.path.expanduser(own.file)


def own_files(own: OwnFile) -> dict[str, Path]:
    """Return the files that the data consist of, by what is the same wherever they lie.

    Raises:
        HighwaysError: There are none.
    """
    place = own_path(own)
    if own.kind != "images":
        return {"file": place}
    images = sorted(path for pattern in ("*.png", "*-ubyte.gz") for path in place.rglob(pattern))
    if images:
        return {path.relative_to(place).as_posix(): path for path in images}
    held = "<class>/*.png, train/<class>/*.png and test/<class>/*.png, or MNIST's four files ...-ubyte.gz"
    raise HighwaysError(f"{place}: no images there: a folder with {held} is expected; of a table give its label column")


def read_own(own: OwnFile) -> Own:
    """Read a user's file, or list the PNG files of a folder, and print how many examples and which classes there are.

    Raises:
        HighwaysError: It cannot be read, a line is at fault, which is said with its number, or a class is not in the
            training part.
    """
    where = own_path(own)
    try:
        x, labels, parts = _pictures(own_files(own)) if own.kind == "images" else _columns(own, where)
        part = np.array(parts or drawn_parts(own, len(labels)))
        numbered = all(map(_is_number, labels))
        classes = sorted(set(labels), key=lambda name: (float(name) if numbered else 0, name))
        number = {name: number for number, name in enumerate(classes)}
        y = np.array([number[label] for label in labels])
        if len(classes) < 2:
            raise ValueError(f": {len(classes)} class in it, at least two are needed")
        if missing := {"train", "test", "dev" if own.text else "test"} - set(parts := part.tolist()):
            raise ValueError(f": no example is in the {min(missing)} part")
        if unseen := [name for name in classes if number[name] not in y[part == "train"]]:
            raise ValueError(f": class {quoted(unseen[0])} is not in the training part; try another split_seed")
    except OSError as error:
        raise HighwaysError(f"{where}: {error.strerror or 'cannot be read'}") from None
    except ValueError as error:
        raise HighwaysError(f"{where}{error}") from None
    counts = ", ".join(f"{parts.count(name)} {name}" for name in ("train", "dev", "test") if name in parts)
    names = ", ".join(f"{number} {name}" for number, name in enumerate(classes))
    print(printable(f"{own.name}: {counts} examples; classes {names}"), flush=True)
    return Own(x, y, part)


def drawn_parts(own: OwnFile, count: int) -> list[str]:
    """Return what each of `count` examples is for, drawn so that it depends on their number and the seed alone."""
    order = sorted(range(count), key=lambda row: hashlib.sha256(f"{own.split_seed}-{row}".encode()).digest())
    test, dev = round(own.test * count), round(own.dev * count) if own.text else 0
    tested, looked_at = set(order[:test]), set(order[test : test + dev])
    return ["test" if row in tested else "dev" if row in looked_at else "train" for row in range(count)]


# A file


def _columns(own: OwnFile, where: Path) -> tuple[list[Any], list[str], list[str]]:
    """Return features or sentences, labels, and parts where a column has them."""
    try:
        text = where.read_bytes().decode(own.encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = bytes(error.object).count(b"\n", 0, error.start) + 1
        raise ValueError(f", line {line}: not {own.encoding}; say its encoding, such as latin-1") from None
    (first, header), *rows = _rows(text, where.suffix.lower() in TABS)
    place = {name: number for number, name in enumerate(header)}
    if len(place) < len(header):
        raise ValueError(f", line {first}: two columns have one name")
    for name in filter(None, (own.label, own.text, own.split, *own.without)):
        if name not in place:
            raise ValueError(f", line {first}: no column {quoted(name)}; there are: {quoted(', '.join(header), 200)}")
    others = [name for name in header if name not in (own.label, own.split, *own.without)]
    x, labels, parts = [], [], []
    for line, row in rows:
        if len(row) != len(header):
            raise ValueError(f", line {line}: {len(row)} columns, the first line has {len(header)}")
        labels.append(row[place[str(own.label)]].strip())
        if not labels[-1]:
            raise ValueError(f", line {line}: nothing in the column {quoted(own.label)}")
        if own.split:
            parts.append(row[place[own.split]].strip())
            allowed = ("train", "dev", "test") if own.text else ("train", "test")
            if parts[-1] not in allowed:
                found = f"{quoted(own.split)} must be {' or '.join(allowed)}, found {quoted(parts[-1])}"
                raise ValueError(f", line {line}: column {found}")
        numbers = [] if own.text else [_number(line, name, row[place[name]]) for name in others]
        x.append(row[place[own.text]] if own.text else np.array(numbers))
    if not own.text and not others:
        raise ValueError(": no column of numbers in it")
    return x, labels, parts


def _rows(text: str, tabs: bool) -> list[tuple[int, list[str]]]:
    """Return the rows that are not empty, each with the number of its (last) line."""
    head = text.partition("\n")[0]
    separator = "\t" if tabs else ";" if ";" in head and "," not in head else ","
    quoting = csv.QUOTE_NONE if tabs else csv.QUOTE_MINIMAL
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, quoting=quoting, strict=True)
    try:
        rows = [(reader.line_num, row) for row in reader if row]
    except csv.Error as error:
        raise ValueError(f", line {reader.line_num}: {error}") from None
    if len(rows) < 2:
        raise ValueError(": a line with the columns' names and at least one more are needed")
    return rows


def _number(line: int, column: str, text: str) -> float:
    if not _is_number(text):
        found = f"{quoted(text)} is no number; `without: [{column}]` leaves the column out"
        raise ValueError(f", line {line}: column {quoted(column)}: {found}")
    return float(text)


def _is_number(text: str) -> bool:
    try:
        return "_" not in text and math.isfinite(float(text))
    except ValueError:
        return False


# A folder


def _pictures(files: dict[str, Path]) -> tuple[list[Path], list[str], list[str]]:
    """Return images, labels, which are the names of their folders, and parts where outer folders have them."""
    folders = [PurePath(name).parts[:-1] for name in files]
    for name, folder in zip(files, folders, strict=True):
        if not folder or len(folder) != len(folders[0]) or (len(folder) > 1 and folder[-2] not in ("train", "test")):
            raise ValueError(f"/{name}: expected <class>/*.png, or all in train/<class>/*.png and test/<class>/*.png")
    parts = [folder[-2] for folder in folders if len(folder) > 1]
    return list(files.values()), [folder[-1] for folder in folders], parts


def pixels(images: Sequence[Path]) -> NDArray[np.uint8]:
    """Return PNG files of one size as `(images, channels, height, width)`; one channel where all are grey.

    Raises:
        HighwaysError: One cannot be read, or has another size.
    """
    from PIL import Image  # takes a moment to import

    read = []
    for path in images:
        try:
            with Image.open(path, formats=["PNG"]) as image:
                if image.mode[0] in "IF":
                    raise ValueError("more than 8 bits a pixel")
                read.append(np.asarray(image if image.mode == "L" else image.convert("RGB")))
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise HighwaysError(f"{path}: not a PNG file that can be read: {error}") from None
        if read[-1].shape != read[0].shape:
            raise HighwaysError(f"{path}: {read[-1].shape}, the first image has {read[0].shape}; all must be alike")
    stacked = np.stack(read)
    return stacked[:, None] if stacked.ndim == 3 else stacked.transpose(0, 3, 1, 2)
