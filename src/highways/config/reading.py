"""Files of settings, read strictly: every line has one meaning, and there is no more of it than a person writes.

YAML of any version can be written; what two versions read differently (`010`, `1:30`, `yes`, a date) is refused, as
are tags, keys given twice, control characters and numbers that are not finite. Aliases are replaced by what they stand
for, and count as that.
"""

from __future__ import annotations

import copy
import math
import os
import re
import stat
from pathlib import Path
from typing import Any

import yaml

from highways import paths
from highways.errors import HighwaysError

MOST_BYTES = 256 * 1024
MOST_LEVELS = 20
MOST_VALUES = 20_000
"""Of the values in a file, those that an alias stands for counted each time."""
LARGEST = 2**63 - 1
"""Of whole numbers."""

_NULL = ("", "~", "null", "Null", "NULL")
_BOOL = {word: word.lower() == "true" for word in ("true", "True", "TRUE", "false", "False", "FALSE")}
_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9]*)?(\.[0-9]*)?([eE][-+]?[0-9]+)?")
_NUMERIC = re.compile(r"[-+]?0([0-9]+(\.[0-9]*)?([eE][-+]?[0-9]+)?|o[0-7]+)")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_TEXT_TAG = "tag:yaml.org,2002:str"


def printable(text: str, most: int = 200) -> str:
    """Return a text that others wrote as one line for a message: without control characters, and not too long."""
    text = text if len(text) <= most else text[: most - 3] + "..."
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def quoted(value: Any, most: int = 80) -> str:
    """Return a value as a message shows it: as Python writes it, on one line, and not too long."""
    try:
        return printable(repr(value), most)
    except (ValueError, RecursionError):  # a number of thousands of digits, a list in a list in a list
        return f"something that is too large to be shown ({type(value).__name__})"


def read_text(path: Path, most: int = MOST_BYTES) -> str:
    """Read a small text file; what is no file (a folder, a pipe, a device) is refused and not waited for.

    Args:
        path: The file.
        most: Bytes that it may have.

    Raises:
        HighwaysError: It cannot be read, is too large, or is not UTF-8.
    """
    where = printable(paths.shown(path))
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0))
    except (OSError, ValueError) as error:
        raise HighwaysError(f"{where}: {getattr(error, 'strerror', None) or 'cannot be read'}") from None
    try:
        mode = os.fstat(handle).st_mode
        if stat.S_ISDIR(mode):
            raise HighwaysError(f"{where}: Is a directory")
        if not stat.S_ISREG(mode):
            raise HighwaysError(f"{where}: a pipe or a device where a file should be")
        with os.fdopen(handle, "rb", closefd=False) as file:
            content = file.read(most + 1)
    except OSError as error:
        raise HighwaysError(f"{where}: {error.strerror or 'cannot be read'}") from None
    finally:
        os.close(handle)
    if len(content) > most:
        raise HighwaysError(f"{where}: larger than {most // 1024} KiB: no file of this kind is")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise HighwaysError(f"{where} line {line}: not UTF-8 text (a byte 0x{content[error.start]:02x})") from None


def read_yaml(path: Path) -> Any:
    """Read a YAML file strictly.

    Raises:
        HighwaysError: The file cannot be read or something in it is refused, with its line.
    """
    return parse_yaml(read_text(path), paths.shown(path))


def read_mapping(path: Path) -> dict[str, Any]:
    """Read a YAML file that holds settings by name.

    Raises:
        HighwaysError: See `read_yaml`; or it holds something else.
    """
    content = read_yaml(path)
    if not isinstance(content, dict) or not all(isinstance(name, str) for name in content):
        found = "a key that is no text" if isinstance(content, dict) else kind_of(content)
        raise HighwaysError(f"{printable(paths.shown(path))}: expected a mapping of names to values, found {found}")
    return content


def kind_of(value: Any) -> str:
    """Return what a value is, in words."""
    words = {dict: "a mapping", list: "a list", str: "text", type(None): "nothing", bool: "true or false"}
    return words.get(type(value), "a number" if isinstance(value, int | float) else type(value).__name__)


def parse_yaml(text: str, where: str) -> Any:
    """Return what a YAML text says, read strictly.

    Args:
        text: The text.
        where: The file, or what else the text comes from; it opens the message.

    Raises:
        HighwaysError: Something in it is refused, with its line.
    """
    where, document = printable(where), None
    try:
        document = _Document(text, where)
        return document.read()
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        if mark is not None:
            line = mark.line + 1
        elif (position := getattr(error, "position", None)) is not None:
            line = text.count("\n", 0, position) + 1
        else:  # an escape beyond Unicode, a version number of thousands of digits: raised by Python itself
            line = 1 if document is None else document.events.line + 1
        problem = printable(str(getattr(error, "problem", None) or getattr(error, "reason", None) or error))
        raise HighwaysError(f"{where} line {line}: not valid YAML ({problem})") from None


class _Document:
    """A YAML text on its way to plain values: events come from PyYAML's parser, what they mean is decided here."""

    def __init__(self, text: str, where: str):
        self.where = where
        self.events = yaml.SafeLoader(text)
        self.left = MOST_VALUES
        self.anchors: dict[str, tuple[Any, int]] = {}

    def read(self) -> Any:
        """Return what the text says; `None` where it says nothing."""
        self.events.get_event()  # the stream's start
        if self.events.check_event(yaml.StreamEndEvent):
            return None
        self.events.get_event()  # the document's start
        value = self._value(0)
        self.events.get_event()  # its end
        if not self.events.check_event(yaml.StreamEndEvent):
            raise self._fault(self.events.peek_event(), "a second document begins; there can be one only")
        return value

    def _fault(self, event: Any, text: str) -> HighwaysError:
        return HighwaysError(f"{self.where} line {event.start_mark.line + 1}: {text}")

    def _count(self, event: Any, number: int = 1) -> None:
        self.left -= number
        if self.left < 0:
            raise self._fault(event, f"more than {MOST_VALUES:,} values, aliases counted as what they stand for")

    def _value(self, level: int) -> Any:
        event = self.events.get_event()
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        before = self.left
        self._count(event)
        if level > MOST_LEVELS:
            raise self._fault(event, f"more than {MOST_LEVELS} levels of lists and mappings in one another")
        if event.tag is not None:
            raise self._fault(event, f"a tag ({printable(event.tag, 60)}); leave it out, tags are not understood")
        if isinstance(event, yaml.ScalarEvent):
            value = self._scalar(event)
        elif isinstance(event, yaml.SequenceStartEvent):
            value = self._sequence(level)
        else:
            value = self._mapping(level)
        if event.anchor is not None:
            self.anchors[event.anchor] = (value, before - self.left)
        return value

    def _alias(self, event: Any) -> Any:
        if event.anchor not in self.anchors:
            raise self._fault(event, f"the alias *{printable(event.anchor, 60)} stands for nothing that is complete")
        value, number = self.anchors[event.anchor]
        self._count(event, number)
        return copy.deepcopy(value)

    def _sequence(self, level: int) -> list[Any]:
        found = []
        while not self.events.check_event(yaml.SequenceEndEvent):
            found.append(self._value(level + 1))
        self.events.get_event()
        return found

    def _mapping(self, level: int) -> dict[str | int, Any]:
        found: dict[str | int, Any] = {}
        merged: dict[str | int, Any] | None = None
        while not self.events.check_event(yaml.MappingEndEvent):
            event = self.events.peek_event()
            if isinstance(event, yaml.ScalarEvent) and event.implicit[0] and event.value == "<<":
                self.events.get_event()
                value = self._value(level + 1)
                if merged is not None or not isinstance(value, dict):
                    raise self._fault(event, "<< merges one mapping, once")
                merged = value
                continue
            key = self._value(level + 1) if isinstance(event, yaml.ScalarEvent) else None
            if isinstance(key, bool) or not isinstance(key, str | int):
                raise self._fault(event, "a key must be text or a whole number")
            if key in found:
                raise self._fault(event, f"key {quoted(key)} is given twice")
            found[key] = self._value(level + 1)
        self.events.get_event()
        return (merged or {}) | found

    def _scalar(self, event: Any) -> Any:
        text = event.value
        if (bad := _CONTROL.search(text)) is not None:
            raise self._fault(event, f"a character that cannot be shown ({bad[0]!a})")
        if not event.implicit[0]:
            return text
        if text in _NULL:
            return None
        if text in _BOOL:
            return _BOOL[text]
        if _WHOLE.fullmatch(text):
            return self._whole(event, text)
        if _DECIMAL.fullmatch(text) and any(c.isdigit() for c in re.split("[eE]", text)[0]):
            if not math.isfinite(value := float(text)):
                raise self._fault(event, f"{quoted(text)}: a number that is too large")
            return value
        if _NUMERIC.fullmatch(text) or self.events.resolve(yaml.ScalarNode, text, (True, False)) != _TEXT_TAG:
            raise self._fault(
                event,
                f"{quoted(text)} does not mean the same to every reader of YAML; put it in quotes if it is text, "
                "and write numbers in decimals (10, 0.5, 1e-3) and true or false as such",
            )
        return text

    def _whole(self, event: Any, text: str) -> int:
        if len(text) > len(str(LARGEST)) + 1 or abs(int(text)) > LARGEST:
            raise self._fault(event, f"{quoted(text, 40)}: a number that is too large")
        return int(text)
