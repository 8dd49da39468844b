"""`highways new experiment`: a complete new experiment, as a template for the user to edit."""

import keyword
import re
from pathlib import Path

from highways import paths
from highways.errors import HighwaysError
from highways.files import write_all
from highways.report.render import render


def new_experiment(name: str) -> list[Path]:
    """Write an experiment's module, notebook, quick parameters, claim and test; register it; return the files."""
    if not (found := re.fullmatch(r"(\d\d)_([a-z][a-z0-9_]*)", name)) or keyword.iskeyword(found[2]):
        raise HighwaysError(f"{name!r}: an experiment is called by two digits and a word, such as 11_width")
    root, (number, short) = paths.root(), found.groups()
    words = {"name": name, "number": number, "short": short, "constant": short.upper(), "id": short.replace("_", "-")}
    words |= {"camel": short.title().replace("_", ""), "title": short.replace("_", " ").capitalize()}
    made = {
        root / "src/highways/experiments" / f"{short}.py": "module.py.j2",
        root / "notebooks" / f"{name}.ipynb": "notebook.ipynb.j2",
        root / "profiles/quick" / f"{name}.yaml": "profile.yaml.j2",
        root / "tests" / f"test_{short}.py": "test.py.j2",
    }
    if taken := [*filter(Path.exists, made), *sorted((root / "notebooks").glob(f"{number}_*.ipynb"))]:
        raise HighwaysError(f"{paths.shown(taken[0])}: there is one already")
    texts = {path: render(f"new/{template}", **words) for path, template in made.items()}
    claims, register = root / "references/claims.yaml", root / "src/highways/experiments/__init__.py"
    texts[claims] = claims.read_text(encoding="utf-8") + render("new/claim.yaml.j2", **words)
    line, text = f"from highways.experiments.{short} import {short.upper()}\n", register.read_text(encoding="utf-8")
    before = next(one for one in re.findall(r"^from highways\..*\n", text, re.MULTILINE) if one > line)
    text = text.replace(before, line + before, 1)  # imports stay sorted
    texts[register] = text.replace("    REPORT,\n)", f"    {short.upper()},\n    REPORT,\n)", 1)
    return write_all(texts)
