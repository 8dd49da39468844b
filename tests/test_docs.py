"""What README and docs say exists: links, commands, targets; the example and files for clusters and the site work."""

import importlib
import importlib.util
import inspect
import json
import os
import re
import shutil
import subprocess
import tomllib
from operator import attrgetter
from pathlib import Path

import pytest
import yaml
from checkout import REPOSITORY, stand_in
from typer.main import get_command

from highways import cli
from highways.config import BiLSTMConfig, ConvConfig, DenseConfig, profile_path
from highways.pipeline.verify import PLAIN

PAGES = sorted({*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/*.md")})
CLUSTER = REPOSITORY / "docs" / "cluster"
pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


@pages
def test_links_commands_targets_stages_and_data_sets_exist(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text())
    missing = [link for link in links if "://" not in link and not (page.parent / link.partition("#")[0]).exists()]
    assert missing == []
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
    text, sources = page.read_text(), yaml.safe_load((REPOSITORY / "data" / "sources.yaml").read_text())
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:`|^\s*|&& )make ([a-z][a-z-]+)", text, re.MULTILINE)) <= targets
    stages = re.findall(r"(?:`|^)dvc repro (\w+)@(\w+)", text, re.MULTILINE)
    made_on_the_page = {("quick", name) for name in re.findall(r"highways new experiment (\w+)", text)}
    missing = {(profile, stage) for stage, profile in stages if not profile_path(profile, stage).exists()}
    assert missing <= made_on_the_page
    for names in re.findall(r"highways data fetch ([a-z0-9 ]+)", text):
        assert set(names.split()) <= set(sources)


def test_walk_through_a_run_names_functions_that_exist_and_tolerances_are_those_of_the_code() -> None:
    text = (REPOSITORY / "docs" / "walk.md").read_text()
    steps = re.findall(r"\[`([\w.]+)`\]\(\.\./src/(\S+)\.py\)", text)
    for name, path in steps:
        function = attrgetter(name)(importlib.import_module(path.replace("/", ".")))
        assert inspect.isfunction(inspect.unwrap(function)), name
        assert function.__module__ == path.replace("/", "."), f"{name} is not defined in {path}.py"
    assert len(re.findall(r"^\d+\. ", text, re.MULTILINE)) == len(steps) <= 25
    assert len({path for _, path in steps}) <= 12
    text = (REPOSITORY / "docs" / "gpu.md").read_text()
    shown = {float(number) for number in re.findall(r"([\d.]+(?:e-\d+)?) \((?:dense|BiLSTMs|convolutions)", text)}
    assert shown == {*(family.tolerance for family in (DenseConfig, BiLSTMConfig, ConvConfig)), PLAIN}


def test_slurm_script_gives_ray_the_heads_real_address_and_no_loopback(tmp_path: Path) -> None:
    """With Slurm's and the resolver's commands replaced; `srun` prints what it is given."""
    commands = {
        "scontrol": "printf 'node-a\\nnode-b\\n'",
        "getent": "printf '127.0.1.1 STREAM node-a\\n10.1.2.3 STREAM\\n10.9.9.9 STREAM\\n'",
        "srun": 'echo "$@"',
        "ray": "exit 0",
    }
    for name, body in commands.items():
        stand_in(tmp_path / "bin" / name, body)
    environment = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "HOME": str(tmp_path)} | {
        "SLURM_SUBMIT_DIR": str(tmp_path),
        "SLURM_JOB_NODELIST": "node-[a-b]",
        "SLURM_JOB_NUM_NODES": "2",
        "SLURM_CPUS_PER_TASK": "8",
    }
    script = ["bash", str(CLUSTER / "slurm.sh"), "laptop"]
    done = subprocess.run(script, env=environment, capture_output=True, text=True, timeout=60, check=True)
    words = done.stdout.split()
    assert words[words.index("--address") + 1] == "10.1.2.3:6379"
    assert words[words.index("--min-nodes") + 1] == "2"
    assert words[words.index("--") + 1 :] == ["env", "RAY_ADDRESS=10.1.2.3:6379", "make", "repro", "PROFILE=laptop"]


def ray_version() -> str:
    return re.findall(r"^ARG RAY=ray==(\S+)$", (REPOSITORY / "Dockerfile").read_text(), re.MULTILINE)[0]


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


def test_workflows_and_container_run_what_the_checkout_has_and_the_version_is_one() -> None:
    folder = REPOSITORY / ".github/workflows"
    ci, site = (yaml.safe_load((folder / name).read_text()) for name in ("ci.yml", "site.yml"))
    steps = ci["jobs"]["test"]["steps"]
    assert steps[0]["with"] == {"fetch-depth": 0}, "a shallow clone does not know when criteria were fixed"
    commands = [step["run"] for step in steps + site["jobs"]["publish"]["steps"] if "run" in step]
    assert [command.split()[0] for command in commands] == [".ci/run", "make", ".ci/site"]
    assert all(os.access(REPOSITORY / name, os.X_OK) for name in (".ci/run", ".ci/site"))
    assert ci["jobs"]["versions"]["strategy"]["matrix"] == {"python": ["3.12", "3.13"]}
    container = json.loads((REPOSITORY / ".devcontainer/devcontainer.json").read_text())
    assert (container["postCreateCommand"], ":3.11" in container["image"]) == ("make setup", True)
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]
    cited = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text())["version"]
    newest = re.findall(r"^## (\S+)", (REPOSITORY / "CHANGELOG.md").read_text(), re.MULTILINE)[0]
    assert (cited, newest) == (project, project)


def test_site_is_the_report_with_links_to_the_code_host(tmp_path: Path) -> None:
    shutil.copytree(REPOSITORY / ".ci", tmp_path / ".ci")
    (tmp_path / "results/weekend").mkdir(parents=True)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/touch.html").write_text("touch")
    stand_in(tmp_path / "bin/highways", 'echo "$@" > results/weekend/called')
    links = ["../../notebooks/01_depth.ipynb", "01_depth/tables/depth.csv", "claims.csv", "#claims", "https://x.org/a"]
    page = "<header>" + "".join(f'<a href="{link}">' for link in links) + '<script id="live">'
    (tmp_path / "results/weekend/report.html").write_text(page)
    environment = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    subprocess.run([tmp_path / ".ci/site", "_site", "https://host/tree/c"], cwd="/", env=environment, check=True)
    assert (tmp_path / "results/weekend/called").read_text() == "report --profile weekend\n"
    assert (tmp_path / "_site/touch.html").read_text() == "touch"
    weekend, page = "https://host/tree/c/results/weekend", (tmp_path / "_site/index.html").read_text()
    assert [part.split('"')[0] for part in page.split('href="')[1:]] == [
        *("touch.html", "https://host/tree/c/notebooks/01_depth.ipynb", f"{weekend}/01_depth/tables/depth.csv"),
        *(f"{weekend}/claims.csv", "#claims", "https://x.org/a"),
    ]
    assert page.endswith(f'<script id="live" data-folder="{weekend}/">'), "where the records of curves are"


@pytest.mark.pipeline
def test_the_example_ends_where_it_says_needs_torch_alone_and_is_a_hundred_lines(repository: Path, capsys) -> None:
    spec = importlib.util.spec_from_file_location("highway_example", repository / "examples" / "highway.py")
    assert spec is not None
    assert spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    assert "above 0.4 and below 0.25" in (example.__doc__ or "").replace("\n", " ")
    losses = example.main()
    assert losses["plain"] > 0.4
    assert losses["highway"] < 0.25
    printed = capsys.readouterr().out
    assert f"{losses['highway']:.3f}" in printed
    assert len(re.findall(r"layer +\d+: 0\.\d{3}", printed)) == 9
    text = (repository / "examples" / "highway.py").read_text()
    assert len(text.splitlines()) <= 100
    assert set(re.findall(r"^(?:from|import) (\w+)", text, re.MULTILINE)) == {"sklearn", "torch"}
