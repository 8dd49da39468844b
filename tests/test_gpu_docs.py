"""docs/gpu.md: what its commands and tolerances name exists."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import yaml

from highways.config.profiles import profile_path
from highways.pipeline.rerun import TOLERANCE


def commands(repository: Path) -> list[list[str]]:
    blocks = re.findall(r"```bash\n(.*?)```", (repository / "docs" / "gpu.md").read_text(), flags=re.DOTALL)
    return [shlex.split(line) for block in blocks for line in block.splitlines()]


def test_every_target_stage_profile_and_data_set_exists(repository: Path) -> None:
    makefile = (repository / "Makefile").read_text()
    stages = yaml.safe_load((repository / "dvc.yaml").read_text())["stages"]
    sources = yaml.safe_load((repository / "data" / "sources.yaml").read_text())
    for command in commands(repository):
        if command[0] == "make":
            assert re.search(rf"^{command[1]}:", makefile, flags=re.MULTILINE), command
        if command[:2] == ["dvc", "repro"]:
            stage, profile = command[2].split("@")
            assert stage in stages
            assert profile_path(profile, stage).exists()
        if command[:3] == ["highways", "data", "fetch"]:
            assert set(command[3:]) <= set(sources), command


def test_tolerances_are_those_of_the_code(repository: Path) -> None:
    text = (repository / "docs" / "gpu.md").read_text()
    shown = {float(number) for number in re.findall(r"([\d.]+(?:e-\d+)?) \((?:dense|BiLSTMs|convolutions)", text)}
    assert shown == {TOLERANCE["dense"], TOLERANCE["bilstm"], TOLERANCE["conv"], TOLERANCE["plain"]}
