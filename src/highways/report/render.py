"""Pages by jinja2 templates (`templates/`): one way to write a cell, in Markdown and in HTML."""

import math
import re

import jinja2

from highways.show.tables import TAG


def cell(value: object) -> str:
    """Return a cell of a Markdown table: numbers with three digits, nothing for NaN; text is no markup."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return TAG.sub("&lt;", str(value)).replace("|", "\\|").replace("\n", " ")
    if math.isinf(value):
        return "infinite" if value > 0 else "-infinite"
    if abs(value) < 1e15 and (float(value).is_integer() or abs(value) >= 1e3):
        return f"{value + 0:,.0f}"  # -0.0 is 0
    return re.sub(r"e([+-])0*", lambda found: "e" + found[1].replace("+", ""), f"{value:.3g}")


def render(template: str, **values: object) -> str:
    """Return a page or file; what stands in an HTML template is escaped."""
    return ENVIRONMENT.get_template(template).render(values)


ENVIRONMENT = jinja2.Environment(
    loader=jinja2.ChoiceLoader(
        [jinja2.PackageLoader("highways.report"), jinja2.PackageLoader("highways.pipeline", "")]
    ),
    autoescape=jinja2.select_autoescape(("html.j2",)),
    keep_trailing_newline=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)
ENVIRONMENT.filters["cell"] = cell
