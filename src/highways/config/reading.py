"""Strict reading of settings files: repeated keys are rejected, and values that YAML 1.1 and 1.2 read differently."""

import re
from pathlib import Path
from typing import Any

import yaml

from highways import paths
from highways.errors import HighwaysError, printable
from highways.files import check_is_file

TAG = "tag:yaml.org,2002:"
PLAIN = {
    "null": re.compile(r"~|null|Null|NULL|"),
    "bool": re.compile(r"true|True|TRUE|false|False|FALSE"),
    "int": re.compile(r"[-+]?(0|[1-9][0-9]{0,18})"),
    "float": re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]{1,3})?"),
}
"""Unquoted values that mean the same in YAML 1.1 and 1.2."""
NUMERIC = re.compile(r"[-+]?(0o[0-7]+|0[0-9]+(\.[0-9]*)?([eE][-+]?[0-9]+)?|[0-9]{20,}|[0-9.]+[eE][-+]?[0-9]{4,})")
"""Numbers in only one version of YAML, or out of range."""


def quoted(value: Any, most: int = 80) -> str:
    """Format a value for a message: its `repr`, on one line, shortened to `most` characters."""
    try:
        return printable(repr(value), most)
    except (ValueError, RecursionError):  # a number of thousands of digits, a list in a list in a list
        return f"a {type(value).__name__} too large to be shown"


class _SafeLoader(yaml.SafeLoader):
    """PyYAML's safe loader, but rejecting repeated keys and values that YAML readers interpret differently."""

    def compose_mapping_node(self, anchor: Any) -> Any:
        node = super().compose_mapping_node(anchor)
        keys = set()
        for key, _ in node.value:
            if (name := str(key.value)) in keys:
                raise yaml.MarkedYAMLError(problem=f"key {quoted(name)} is given twice", problem_mark=key.start_mark)
            keys.add(name)
        return node

    def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
        tag = super().resolve(kind, value, implicit)
        if kind is not yaml.ScalarNode or not implicit[0] or tag == f"{TAG}merge":
            return tag
        if NUMERIC.fullmatch(value):
            return "ambiguous"
        if plain := next((name for name, pattern in PLAIN.items() if pattern.fullmatch(value)), None):
            return f"{TAG}{plain}"
        return tag if tag == f"{TAG}str" else "ambiguous"


def _refuse(loader: Any, node: yaml.ScalarNode) -> None:
    way = "put it in quotes if it is text, and write numbers in decimals (10, 0.5, 1e-3) and true or false as such"
    problem = f"{quoted(node.value)} does not mean the same to every reader of YAML; {way}"
    raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)


_SafeLoader.add_constructor("ambiguous", _refuse)
_SafeLoader.add_constructor(f"{TAG}float", lambda loader, node: float(node.value))


def parse_yaml(text: str, where: str) -> Any:
    """Parse a YAML text strictly; messages begin with `where`, its file or origin."""
    try:
        return yaml.load(text, _SafeLoader)
    except (yaml.YAMLError, ValueError, LookupError, OverflowError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line if mark is not None else text.count("\n", 0, getattr(error, "position", 0))
        problem = printable(str(getattr(error, "problem", None) or getattr(error, "reason", None) or error), 300)
        ours = type(error) is yaml.MarkedYAMLError  # PyYAML itself raises only subclasses
        problem = problem if ours else f"not valid YAML ({problem})"
        raise HighwaysError(f"{where} line {line + 1}: {problem}") from None


def read_text(path: Path) -> str:
    """Read a text file that the user named."""
    try:
        check_is_file(path)
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:  # ValueError: not UTF-8, or an impossible file name
        reason = getattr(error, "strerror", None) or f"cannot be read: {error}"
        raise HighwaysError(f"{paths.shown(path)}: {reason}") from None


def read_yaml(path: Path) -> Any:
    """Read a YAML file strictly."""
    return parse_yaml(read_text(path), paths.shown(path))


def read_mapping(path: Path) -> dict[str, Any]:
    """Read a YAML file that holds settings by name."""
    content = read_yaml(path)
    if not isinstance(content, dict) or not all(isinstance(name, str) for name in content):
        raise HighwaysError(f"{paths.shown(path)}: expected a mapping of names to values, found {quoted(content)}")
    return content
