"""What runs outside: the workflows, the site, the container to develop in."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import yaml


def test_workflows_run_what_the_checkout_has(repository: Path) -> None:
    folder = repository / ".github/workflows"
    ci, site = (yaml.safe_load((folder / name).read_text()) for name in ("ci.yml", "site.yml"))
    steps = ci["jobs"]["test"]["steps"]
    assert steps[0]["with"] == {"fetch-depth": 0}, "a shallow clone does not know when criteria were fixed"
    commands = [step["run"] for step in steps + site["jobs"]["publish"]["steps"] if "run" in step]
    assert [command.split()[0] for command in commands] == [".ci/run", "make", ".ci/site"]
    assert all(os.access(repository / name, os.X_OK) for name in (".ci/run", ".ci/site"))
    versions = {step["with"]["python-version"] for step in steps if "setup-python" in step.get("uses", "")}
    assert versions == {"3.11"}


def test_site_is_the_report_with_links_to_the_code_host(repository: Path, tmp_path: Path) -> None:
    shutil.copytree(repository / ".ci", tmp_path / ".ci")
    (tmp_path / "results/weekend").mkdir(parents=True)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/touch.html").write_text("touch")
    stub = tmp_path / "bin/highways"
    stub.parent.mkdir()
    stub.write_text('#!/bin/sh\necho "$@" > results/weekend/called\n')
    stub.chmod(0o755)
    links = ["../../notebooks/01_depth.ipynb", "01_depth/tables/depth.csv", "claims.csv", "#claims", "https://x.org/a"]
    text = "<header>" + "".join(f'<a href="{link}">' for link in links)
    (tmp_path / "results/weekend/report.html").write_text(text)
    environment = {"PATH": f"{stub.parent}:{os.environ['PATH']}"}
    subprocess.run([tmp_path / ".ci/site", "_site", "https://host/tree/c"], cwd="/", env=environment, check=True)
    assert (tmp_path / "results/weekend/called").read_text() == "report --profile weekend\n"
    assert (tmp_path / "_site/touch.html").read_text() == "touch"
    page = (tmp_path / "_site/index.html").read_text()
    assert [part.split('"')[0] for part in page.split('href="')[1:]] == [
        "touch.html",
        "https://host/tree/c/notebooks/01_depth.ipynb",
        "https://host/tree/c/results/weekend/01_depth/tables/depth.csv",
        "https://host/tree/c/results/weekend/claims.csv",
        "#claims",
        "https://x.org/a",
    ]


def test_container_is_set_up_by_make(repository: Path) -> None:
    container = json.loads((repository / ".devcontainer/devcontainer.json").read_text())
    assert container["postCreateCommand"] == "make setup"
    assert ":3.11" in container["image"]
