"""What README and docs say exists: links, commands, targets; the files for clusters are what their tools ask for."""

from __future__ import annotations

import importlib
import inspect
import os
import re
import subprocess
import tomllib
from operator import attrgetter
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from highways import cli
from highways.config.profiles import profile_path
from highways.pipeline.rerun import TOLERANCE

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
CLUSTER = ROOT / "docs" / "cluster"
pages = pytest.mark.parametrize("page", sorted(set(PAGES)), ids=lambda page: page.name)


@pages
def test_links_lead_to_files_that_are_there(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text())
    missing = [link for link in links if "://" not in link and not (page.parent / link.partition("#")[0]).exists()]
    assert missing == []


@pages
def test_commands_exist_with_their_options(page: Path) -> None:
    for line in re.findall(r"(?:`|^\s*|&& )highways ([a-z-][^`\n|#&]*)", page.read_text(), re.MULTILINE):
        command = get_command(cli.app)
        for word in line.split():
            if word.startswith("--"):
                assert word.partition("=")[0] in {"--help", *(name for one in command.params for name in one.opts)}, (
                    line
                )
            elif commands := getattr(command, "commands", None):  # others are arguments
                assert word in commands, f"{page.name}: highways {line}"
                command = commands[word]


@pages
def test_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:`|^\s*|&& )make ([a-z][a-z-]+)", page.read_text(), re.MULTILINE))
    assert named <= targets


@pages
def test_stages_and_data_sets_exist(page: Path) -> None:
    text, sources = page.read_text(), yaml.safe_load((ROOT / "data" / "sources.yaml").read_text())
    stages = re.findall(r"(?:`|^)dvc repro (\w+)@(\w+)", text, re.MULTILINE)
    made_on_the_page = re.findall(r"profiles/(\w+)/(\w+)\.yaml$", text, re.MULTILINE)
    missing = {(profile, stage) for stage, profile in stages if not profile_path(profile, stage).exists()}
    assert missing <= set(made_on_the_page)
    for names in re.findall(r"highways data fetch ([a-z0-9 ]+)", text):
        assert set(names.split()) <= set(sources)


def test_tolerances_of_the_gpu_page_are_those_of_the_code() -> None:
    text = (ROOT / "docs" / "gpu.md").read_text()
    shown = {float(number) for number in re.findall(r"([\d.]+(?:e-\d+)?) \((?:dense|BiLSTMs|convolutions)", text)}
    assert shown == {TOLERANCE["dense"], TOLERANCE["bilstm"], TOLERANCE["conv"], TOLERANCE["plain"]}


def test_walk_through_a_run_names_functions_that_exist_and_is_short() -> None:
    text = (ROOT / "docs" / "walk.md").read_text()
    steps = re.findall(r"\[`([\w.]+)`\]\(\.\./src/(\S+)\.py\)", text)
    for name, path in steps:
        function = attrgetter(name)(importlib.import_module(path.replace("/", ".")))
        assert inspect.isfunction(inspect.unwrap(function)), name
        assert function.__module__ == path.replace("/", "."), f"{name} is not defined in {path}.py"
    assert len(re.findall(r"^\d+\. ", text, re.MULTILINE)) == len(steps) <= 25
    assert len({path for _, path in steps}) <= 12


def slurm(tmp_path: Path, addresses: str) -> subprocess.CompletedProcess[str]:
    """Run the Slurm script with Slurm's and the resolver's commands replaced; `srun` prints what it is given."""
    commands = {
        "scontrol": "printf 'node-a\\nnode-b\\n'",
        "getent": f"printf '{addresses}'",
        "srun": 'echo "$@"',
        "ray": "exit 0",
    }
    for name, body in commands.items():
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
    environment = {
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "SLURM_SUBMIT_DIR": str(tmp_path),
        "SLURM_JOB_NODELIST": "node-[a-b]",
        "SLURM_JOB_NUM_NODES": "2",
        "SLURM_CPUS_PER_TASK": "8",
    }
    script = ["bash", str(CLUSTER / "slurm.sh"), "laptop"]
    return subprocess.run(script, env=environment, capture_output=True, text=True, timeout=60)


def test_slurm_script_gives_ray_the_heads_real_address(tmp_path: Path) -> None:
    done = slurm(tmp_path, "127.0.1.1 STREAM node-a\\n10.1.2.3 STREAM\\n10.9.9.9 STREAM\\n")
    assert done.returncode == 0, done.stderr
    words = done.stdout.split()
    assert words[words.index("--address") + 1] == "10.1.2.3:6379"
    assert words[words.index("--min-nodes") + 1] == "2"
    assert words[words.index("--") + 1 :] == ["env", "RAY_ADDRESS=10.1.2.3:6379", "make", "repro", "PROFILE=laptop"]


def test_slurm_script_takes_no_loopback_address(tmp_path: Path) -> None:
    done = slurm(tmp_path, "127.0.1.1 STREAM node-a\\n")
    assert done.returncode == 1
    assert done.stderr.strip() == "error: node-a resolves to no address that the other nodes can reach"


def ray_version() -> str:
    return re.findall(r"^ARG RAY=ray==(\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)[0]


def test_kubernetes_job_has_one_image_and_the_images_ray() -> None:
    job, *claims = yaml.safe_load_all((CLUSTER / "rayjob.yaml").read_text())
    cluster = job["spec"]["rayClusterSpec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    specs = [group["template"]["spec"] for group in groups]
    assert (job["kind"], cluster["rayVersion"], cluster["authOptions"]) == ("RayJob", ray_version(), {"mode": "token"})
    assert len({container["image"] for spec in specs for container in spec["containers"]}) == 1
    named = {volume["persistentVolumeClaim"]["claimName"] for spec in specs for volume in spec.get("volumes", [])}
    assert named == {claim["metadata"]["name"] for claim in claims}


def test_cloud_file_is_what_ray_up_takes() -> None:
    util = pytest.importorskip("ray.autoscaler._private.util", reason="the extra highways[ray] is not installed")
    content = (CLUSTER / "aws.yaml").read_text()
    util.validate_config(util.prepare_config(yaml.safe_load(content)))
    assert f'"ray=={ray_version()}"' in content


def test_version_is_the_same_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"]
    newest = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[0]
    assert (cited, newest) == (project, project)
