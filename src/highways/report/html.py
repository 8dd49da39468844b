"""The HTML report: claims, figures and tables of a profile, in one file that needs nothing else."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

import jinja2
import pandas as pd

from highways import paths
from highways.claims.judge import Judgement, headline
from highways.report.tables import TABLES
from highways.report.verdicts import all_claims
from highways.tracking.records import write_atomically


def _cells(csv_path: Path) -> tuple[list[str], list[list[str]]]:
    frame = pd.read_csv(csv_path, dtype=str, keep_default_na=False)
    return list(frame.columns), frame.to_numpy().tolist()


def write_report(profile: str, judgements: Sequence[Judgement]) -> Path:
    """Write `report.html` from the profile's tables and figures and return its path.

    Args:
        profile: Name of the profile.
        judgements: What `highways.claims.judge.judge_all` returned.
    """
    results = paths.Results(profile)
    claims = all_claims()
    sections = []
    for name, (experiment, table) in TABLES.items():
        folder = results.of(experiment.name)
        if not (folder.tables / f"{name}.csv").exists():
            continue
        figure = folder.figures / f"{name}.png"
        sections.append(
            {
                "name": name,
                "title": table.title,
                "notebook": experiment.name,
                "figure": base64.b64encode(figure.read_bytes()).decode() if figure.exists() else None,
                "tables": [_cells(folder.tables / f"{part}.csv") for part in (name, f"{name}_cost")],
                "claims": [j for j in judgements if claims[j.claim_id].experiment == experiment.name],
            }
        )
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("highways.report", "."), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    page = environment.get_template("report.html.j2").render(
        profile=profile, headline=headline(judgements), judgements=judgements, sections=sections
    )
    write_atomically(results.report, page)
    return results.report
