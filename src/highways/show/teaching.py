"""Code and its equation: what a notebook shows of the package's own source."""

import inspect
import re
import textwrap
from collections.abc import Callable
from typing import Any

from IPython.display import Code

DOCSTRING = re.compile(r'^ *""".*?"""\n\n?', re.DOTALL | re.MULTILINE)


def code(*functions: Callable[..., Any]) -> Code:
    """Return the source of functions as it is run, without their docstrings."""
    sources = (textwrap.dedent(inspect.getsource(function)).rstrip() for function in functions)
    return Code("\n\n".join(DOCSTRING.sub("", source, count=1) for source in sources), language="python")
