"""The user's own data, by path: tables and sentences from one file, images from a folder.

The user states nothing that the data contain: classes, counts and the fingerprint follow from the content.
"""

import csv
import hashlib
import io
import math
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from highways import paths
from highways.config import OwnFile, quoted
from highways.data.images import mnist
from highways.data.sentences import PARTS
from highways.errors import HighwaysError, printable


def own_files(own: OwnFile) -> dict[str, Path]:
    """Return the files of the data, by names that do not depend on where the data lie."""
    place = paths.given(own.file)
    if own.kind != "images":
        if place.is_dir():
            raise HighwaysError(f"{place}: a folder; one of images has no label, its folders' names are the classes")
        return {"file": place}
    images = sorted(path for pattern in ("*.png", "*-ubyte.gz") for path in place.rglob(pattern))
    if images:
        return {path.relative_to(place).as_posix(): path for path in images}
    held = "<class>/*.png, train/<class>/*.png and test/<class>/*.png, or MNIST's four files ...-ubyte.gz"
    raise HighwaysError(f"{place}: no images there: a folder with {held} is expected; of a table give its label column")


def read_own(own: OwnFile) -> tuple[Sequence[Any], NDArray[np.int64], NDArray[np.str_]]:
    """Read a user's file or folder of images, and print the number of examples and the classes.

    Any fault raises a `HighwaysError` that names the file and, if it can, the line.

    Returns:
        Examples, each an array of numbers, a sentence, or a picture, `(channels, height, width)`, uint8; the class of
        each, `(examples,)`; and its part, `(examples,)`.
    """
    where = paths.given(own.file)
    x, labels, parts = _images(where, own_files(own)) if own.kind == "images" else _columns(own, where)
    parts = parts or drawn_parts(own, len(labels))
    numbered = all(map(is_number, labels))
    classes = sorted(set(labels), key=lambda name: (float(name) if numbered else 0, name))
    number = {name: number for number, name in enumerate(classes)}
    trained = {label for label, part in zip(labels, parts, strict=True) if part == "train"}
    counts = {part: parts.count(part) for part in (PARTS if own.text else ("train", "test"))}
    if len(classes) < 2:
        raise HighwaysError(f"{where}: {len(classes)} class in it, at least two are needed")
    if empty := [part for part, count in counts.items() if not count]:
        raise HighwaysError(f"{where}: no example is in the {empty[0]} part")
    if unseen := [name for name in classes if name not in trained]:
        way = f"another split_seed, or another label: this has {len(classes)} classes in {len(labels)} examples"
        raise HighwaysError(f"{where}: class {quoted(unseen[0])} is not in the training part; try {way}")
    examples = ", ".join(f"{count} {part}" for part, count in counts.items())
    names = ", ".join(f"{number} {name}" for number, name in enumerate(classes))
    print(printable(f"{own.name}: {examples} examples; classes {names}"), flush=True)
    return x, np.array([number[label] for label in labels]), np.array(parts)


def drawn_parts(own: OwnFile, count: int) -> list[str]:
    """Draw the part of each of `count` examples; the draw depends only on `count`, the fractions and the seed."""
    order = sorted(range(count), key=lambda row: hashlib.sha256(f"{own.split_seed}-{row}".encode()).digest())
    test, dev = round(own.test * count), round(own.dev * count) if own.text else 0
    tested, looked_at = set(order[:test]), set(order[test : test + dev])
    return ["test" if row in tested else "dev" if row in looked_at else "train" for row in range(count)]


# A file


def _columns(own: OwnFile, where: Path) -> tuple[list[Any], list[str], list[str]]:
    """Return features or sentences, labels, and parts if a column holds them."""
    try:
        text = where.read_bytes().decode(own.encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = bytes(error.object).count(b"\n", 0, error.start) + 1
        such = "utf-16" if error.object[:2] in (b"\xff\xfe", b"\xfe\xff") else "latin-1"
        raise HighwaysError(f"{where}, line {line}: not {own.encoding}; say its encoding, such as {such}") from None
    if not text.strip():
        raise HighwaysError(f"{where}: nothing in it")
    head, tabs = text.partition("\n")[0], where.suffix.lower() in (".tsv", ".tab", ".txt")
    separator = "\t" if tabs else ";" if ";" in head and "," not in head else ","
    quoting = csv.QUOTE_NONE if tabs else csv.QUOTE_MINIMAL  # between tabs, quotation marks are ordinary characters
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator, quoting=quoting, strict=True)
    x: list[Any] = []
    labels, parts = [], []
    try:
        others = _other_columns(own, list(reader.fieldnames or ()))
        for row in reader:
            if None in row or None in row.values():
                raise ValueError(f"not the {len(reader.fieldnames or ())} columns of the first line")
            labels.append(row[str(own.label)].strip())
            if not labels[-1]:
                raise ValueError(f"nothing in the column {quoted(own.label)}")
            if own.split:
                parts.append(row[own.split].strip())
                if parts[-1] not in (allowed := PARTS if own.text else ("train", "test")):
                    found = f"{quoted(own.split)} must be {' or '.join(allowed)}, found {quoted(parts[-1])}"
                    raise ValueError(f"column {found}")
            x.append(row[own.text] if own.text else np.array([_number(name, row[name]) for name in others]))
        if not x:
            raise ValueError("a line with the columns' names and at least one more are needed")
    except (ValueError, csv.Error) as error:
        raise HighwaysError(f"{where}, line {reader.reader.line_num}: {error}") from None
    return x, labels, parts


def _other_columns(own: OwnFile, header: list[str]) -> list[str]:
    """Return the feature columns, after checking that the header has all columns that the user named."""
    if len(set(header)) < len(header):
        raise ValueError("two columns have one name")
    for name in filter(None, (own.label, own.text, own.split, *own.without)):
        if name not in header:
            raise ValueError(f"no column {quoted(name)}; there are: {quoted(', '.join(header), 200)}")
    others = [name for name in header if name not in (own.label, own.split, *own.without)]
    if not others:
        raise ValueError("no column of numbers in it")
    return others


def _number(column: str, text: str) -> float:
    if not is_number(text):
        found = f"{quoted(text)} is no number; `without: [{column}]` leaves the column out"
        raise ValueError(f"column {quoted(column)}: {found}")
    return float(text)


def is_number(text: str) -> bool:
    """Tell whether a text is a finite number."""
    try:
        return "_" not in text and math.isfinite(float(text))
    except ValueError:
        return False


# A folder


def _images(where: Path, files: dict[str, Path]) -> tuple[Sequence[Any], list[str], list[str]]:
    """Return images, labels, and parts unless they are to be drawn: from MNIST's files or the names of folders."""
    if any(name.endswith("-ubyte.gz") for name in files):
        return _idx(where, {path.name: path for path in files.values()})
    folders = [PurePath(name).parts[:-1] for name in files]
    for name, folder in zip(files, folders, strict=True):
        if not folder or len(folder) != len(folders[0]) or (len(folder) > 1 and folder[-2] not in ("train", "test")):
            expected = "<class>/*.png, or all in train/<class>/*.png and test/<class>/*.png"
            raise HighwaysError(f"{where}/{name}: expected {expected}")
    parts = [folder[-2] for folder in folders if len(folder) > 1]
    return _pixels(files.values()), [folder[-1] for folder in folders], parts


def _idx(where: Path, files: dict[str, Path]) -> tuple[Sequence[Any], list[str], list[str]]:
    """Read a user's files in MNIST's format, for which there are no checksums."""
    try:
        (train_x, train_y), (test_x, test_y) = mnist(files).values()
    except KeyError as error:
        raise HighwaysError(f"{where}: no file {error} in it") from None
    if (len(train_x), len(test_x)) != (len(train_y), len(test_y)) or train_x.shape[1:] != test_x.shape[1:]:
        raise HighwaysError(f"{where}: there are not as many images as labels, or images of two sizes")
    labels = [str(label) for label in [*train_y.tolist(), *test_y.tolist()]]
    return [*train_x.numpy(), *test_x.numpy()], labels, ["train"] * len(train_x) + ["test"] * len(test_x)


def _pixels(images: Iterable[Path]) -> list[NDArray[np.uint8]]:
    """Read PNG files of equal size, `(channels, height, width)`; one channel if all are grey."""
    from PIL import Image  # takes a moment to import

    read = []
    for path in images:
        try:
            with Image.open(path, formats=["PNG"]) as image:
                if image.mode[0] in "IF":
                    raise ValueError("more than 8 bits a pixel")
                pixels = np.asarray(image if image.mode == "L" else image.convert("RGB"))
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise HighwaysError(f"{path}: not a PNG file that can be read: {error}") from None
        read.append(pixels)
        if pixels.shape != read[0].shape:
            raise HighwaysError(f"{path}: {pixels.shape}, the first image has {read[0].shape}; all must be alike")
    return [pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1) for pixels in read]
