"""Code beside its equation: what a notebook shows of the package's own source."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from typing import Any

from IPython.display import Code


def code(*functions: Callable[..., Any]) -> Code:
    """Return the source of functions as it is run, without their docstrings."""
    return Code("\n\n".join(_without_docstring(function) for function in functions), language="python")


def _without_docstring(function: Callable[..., Any]) -> str:
    source = textwrap.dedent(inspect.getsource(function))
    (tree,) = ast.parse(source).body
    assert isinstance(tree, ast.FunctionDef)
    lines = source.rstrip().splitlines()
    if ast.get_docstring(tree) is not None:
        documentation = tree.body[0]
        del lines[documentation.lineno - 1 : documentation.end_lineno]
    return "\n".join(lines)
