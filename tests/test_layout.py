"""The package's rooms: each imports only from floors below it. And what must not stand in the project."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from highways.experiments import EXPERIMENTS, REPORT

FLOORS = [
    {"colours", "errors", "packages", "quantities"},
    {"paths"},
    {"files"},
    {"config"},
    {"nn", "data"},
    {"tracking"},
    {"training"},
    {"inside"},
    {"show"},
    {"claims"},
    {"experiments"},
    {"report"},
    {"pipeline"},
    {"cli"},
]


def room(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if parts[0] == "highways" and len(parts) > 1 else None


def test_rooms_import_from_floors_below_only(repository: Path) -> None:
    floor = {name: number for number, names in enumerate(FLOORS) for name in names}
    source = repository / "src" / "highways"
    wrong = []
    for path in sorted(source.rglob("*.py")):
        here = path.relative_to(source).parts[0].removesuffix(".py")
        if here == "__init__":
            continue
        for module in modules_of(ast.parse(path.read_text())):
            there = room(module)
            if there in floor and there != here and floor[there] >= floor[here]:
                wrong.append(f"{path.relative_to(source)} imports {module}")
    assert not wrong


def modules_of(tree: ast.Module) -> list[str]:
    """Every module that a module imports, as written, with the names taken from it."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            found += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
    return found


def test_experiments_import_sideways_only_what_they_name_in_after(repository: Path) -> None:
    source = repository / "src" / "highways" / "experiments"
    rooms = {one.schema.__module__.split(".")[2]: one for one in EXPERIMENTS}

    def experiment(module: str) -> str:
        """The experiment whose room a module is, or whose small study beside it, `ROOM_*`; else the module."""
        return next((room for room in rooms if module == room or module.startswith(f"{room}_")), module)

    for path in sorted(source.rglob("*.py")):
        here = experiment(path.relative_to(source).parts[0].removesuffix(".py"))
        if here not in rooms:
            continue
        allowed = {here, "base", "search", "small"} | {
            room for room, one in rooms.items() if one.name in rooms[here].after
        }
        parts = [module.split(".") for module in modules_of(ast.parse(path.read_text()))]
        there = {experiment(part[2]) for part in parts if part[:2] == ["highways", "experiments"] and len(part) > 2}
        assert there <= allowed, f"{path.relative_to(source)} imports {there - allowed}"


def test_generic_rooms_name_no_experiment(repository: Path) -> None:
    names = {one.name for one in EXPERIMENTS if one is not REPORT}
    for path in sorted((repository / "src" / "highways").rglob("*.py")):
        if path.parts[-2] == "experiments" or "experiments" in path.parts:
            continue
        texts = {node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)}
        assert not names & texts, path


def test_no_file_is_too_long(repository: Path) -> None:
    for path in (repository / "src").rglob("*.py"):
        lines = path.read_text().splitlines()
        assert len(lines) <= 450, path
        for node in ast.walk(ast.parse("\n".join(lines))):
            if isinstance(node, ast.FunctionDef) and node.end_lineno is not None:
                assert node.end_lineno - node.lineno < 60, f"{path}: {node.name}"


def test_torchtext_is_imported_in_one_module_and_mlflow_in_those_that_bear_its_name(repository: Path) -> None:
    def users(package: str) -> list[Path]:
        pattern = re.compile(rf"^\s*(from {package}[. ]|import {package}\b)", re.MULTILINE)
        return [path for path in (repository / "src").rglob("*.py") if pattern.search(path.read_text())]

    assert len(users("torchtext")) == 1
    assert all(path.parent.name == "tracking" and path.name.startswith("mlflow_") for path in users("mlflow"))


LOCKS = ("requirements.lock", "requirements-torch.lock", "requirements-cuda.lock")


def locked(repository: Path, name: str = "requirements.lock") -> dict[str, str]:
    lines = (repository / name).read_text().splitlines()
    return {m[1].lower(): m[2] for line in lines if (m := re.match(r"([A-Za-z0-9_.-]+)==([^ ;\\]+)", line))}


def name_of(requirement: str) -> str:
    return re.split(r"[<>=!~\[; ]", requirement, maxsplit=1)[0].lower()


def test_project_lock_and_conda_environment_agree(repository: Path) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    lock = locked(repository) | locked(repository, "requirements-torch.lock")
    conda = yaml.safe_load((repository / "environment.yml").read_text())["dependencies"]
    (pip,) = [entry["pip"] for entry in conda if isinstance(entry, dict)]
    pinned = {name_of(entry): entry.partition("==")[2] for entry in pip if "==" in entry}
    direct = project["dependencies"] + project["optional-dependencies"]["dev"]
    assert set(pinned) == {name_of(requirement) for requirement in direct}
    for requirement in direct:
        name = name_of(requirement)
        version = lock[name]
        assert pinned[name] == version, name
        if "==" in requirement:
            assert requirement.endswith(f"=={version}")
        elif ">=" in requirement:
            least = [int(part) for part in requirement.partition(">=")[2].split(".")]
            assert [int(part) for part in re.findall(r"\d+", version)[: len(least)]] >= least, requirement
    assert "torch" not in locked(repository), "torch comes in a step of its own: its build differs between CPU and CUDA"


def test_what_a_cuda_build_asks_for_is_locked_and_nothing_else_is(repository: Path) -> None:
    parts = locked(repository, "requirements-cuda.lock")
    assert {"triton", "cuda-toolkit"} < parts.keys()
    assert not parts.keys() & locked(repository).keys()


def test_malicious_lightning_releases_are_ruled_out(repository: Path) -> None:
    version = tuple(map(int, locked(repository)["pytorch-lightning"].split(".")))
    assert version >= (2, 6, 4)


@pytest.mark.parametrize("name", LOCKS)
def test_lock_has_hashes_and_no_addresses(repository: Path, name: str) -> None:
    text = (repository / name).read_text()
    assert "://" not in text
    entries = re.split(r"\n(?=[a-z0-9])", text)
    assert all("--hash=sha256:" in entry for entry in entries if re.match(r"[a-z0-9][^\n]*==", entry))


def tracked(repository: Path) -> list[str]:
    done = subprocess.run(["git", "ls-files"], cwd=repository, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("not a git checkout")
    return done.stdout.split()


def test_no_data_or_databases_are_in_git_and_few_weights(repository: Path) -> None:
    for name in tracked(repository):
        assert not name.startswith(("data/raw", "data/prepared", "checkpoints/", "results/quick/")), name
        assert not name.endswith((".ckpt", ".gz", ".bin", ".db")), name
        assert not name.endswith(".pt") or re.match(r"results/\w+/weights/", name), name
        assert name == "mlruns/.gitignore" or not name.startswith("mlruns/"), name
    weights = sum(path.stat().st_size for path in (repository / "results").glob("*/weights/*.pt"))
    assert weights <= 6_000_000, "in bytes; every clone carries them"


def test_notebooks_have_no_outputs_in_git(repository: Path) -> None:
    for path in (repository / "notebooks").glob("*.ipynb"):
        for cell in json.loads(path.read_text())["cells"]:
            assert not cell.get("outputs"), path
            assert cell.get("execution_count") is None, path
