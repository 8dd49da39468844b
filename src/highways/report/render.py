"""Rendering of jinja2 templates (`templates/`), with one format for table cells in Markdown and HTML."""

import math

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, select_autoescape

from highways.show.tables import TAG, number


def cell(value: object) -> str:
    """Format a cell of a Markdown table: empty for NaN, text without markup."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return TAG.sub("&lt;", str(value)).replace("|", "\\|").replace("\n", " ")
    return number(value)


def render(template: str, **values: object) -> str:
    """Render a template; values in HTML templates are escaped."""
    return ENVIRONMENT.get_template(template).render(values)


ENVIRONMENT = Environment(
    loader=ChoiceLoader([PackageLoader("highways.report"), PackageLoader("highways.pipeline", "")]),
    autoescape=select_autoescape(("html.j2",)),
    keep_trailing_newline=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=StrictUndefined,
)
ENVIRONMENT.filters["cell"] = cell
