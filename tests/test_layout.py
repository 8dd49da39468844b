"""The package's rooms: each imports only from floors below it. And what must not stand in the project."""

import ast
import re
import tomllib
from pathlib import Path

import yaml
from checkout import CLONED, git
from packaging.requirements import Requirement
from packaging.version import Version

from highways.experiments import EXPERIMENTS, REPORT

UPWARDS = "colours,errors,quantities paths files config nn,data tracking training inside show claims experiments"
FLOORS = [set(rooms.split(",")) for rooms in f"{UPWARDS} report pipeline cli".split()]
"""From the ground up."""


def imported(path: Path) -> set[str]:
    """Every module that a module imports, as written, with the names taken from it, from `highways.` on."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name.removeprefix("highways.") for name in found if name.startswith("highways.")}


def test_rooms_import_from_floors_below_torchtext_in_one_module_and_mlflow_where_the_name_says(
    repository: Path,
) -> None:
    floor = {name: number for number, names in enumerate(FLOORS) for name in names}
    source, wrong = repository / "src" / "highways", []
    for path in sorted(source.rglob("*.py")):
        here = path.relative_to(source).parts[0].removesuffix(".py")
        for there in {name.partition(".")[0] for name in imported(path) if here != "__init__"} & floor.keys():
            if there != here and floor[there] >= floor[here]:
                wrong.append(f"{path.relative_to(source)} imports {there}")
    assert not wrong

    def users(package: str) -> list[Path]:
        pattern = re.compile(rf"^\s*(from {package}[. ]|import {package}\b)", re.MULTILINE)
        return [path for path in (repository / "src").rglob("*.py") if pattern.search(path.read_text())]

    assert len(users("torchtext")) == 1
    assert all(path.name.startswith("mlflow_") for path in users("mlflow"))


def test_experiments_import_sideways_only_what_they_name_in_after(repository: Path) -> None:
    rooms = {one.schema.__module__.split(".")[2]: one for one in EXPERIMENTS}

    def experiment(module: str) -> str:
        """The experiment whose room a module is, or whose small study beside it, `ROOM_*`; else the module."""
        return next((room for room in rooms if module == room or module.startswith(f"{room}_")), module)

    for path in sorted((repository / "src" / "highways" / "experiments").glob("*.py")):
        if (here := experiment(path.stem)) in rooms:
            after = {room for room, one in rooms.items() if one.name in rooms[here].after}
            names = [name.split(".")[1] for name in imported(path) if name.startswith("experiments.")]
            assert {experiment(name) for name in names} <= after | {here, "base", "search", "small"}, path


def test_generic_rooms_name_no_experiment_and_no_file_or_function_is_too_long(repository: Path) -> None:
    names = {one.name for one in EXPERIMENTS if one is not REPORT}
    for path in sorted((repository / "src" / "highways").rglob("*.py")):
        text = path.read_text()
        assert len(text.splitlines()) <= 450, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef) and node.end_lineno is not None:
                assert node.end_lineno - node.lineno < 60, f"{path}: {node.name}"
            if isinstance(node, ast.Constant) and path.parent.name != "experiments":
                assert node.value not in names, path


def test_methods_have_docstrings_unless_a_base_of_ours_may_have_it(repository: Path) -> None:
    trees = [ast.parse(path.read_text()) for path in (repository / "src").rglob("*.py")]
    classes = {node.name: node for tree in trees for node in tree.body if isinstance(node, ast.ClassDef)}
    for name, node in classes.items():
        derived = classes.keys() & {ast.unparse(base).partition("[")[0] for base in node.bases} - {"Strict"}
        for one in node.body if not name.startswith("_") and not derived else ():
            if isinstance(one, ast.FunctionDef) and not one.name.startswith("_"):
                assert ast.get_docstring(one), f"{name}.{one.name}"


def locked(repository: Path, name: str = "requirements.lock") -> dict[str, str]:
    lines = (repository / name).read_text().splitlines()
    return {m[1].lower(): m[2] for line in lines if (m := re.match(r"([A-Za-z0-9_.-]+)==([^ ;\\]+)", line))}


def test_project_locks_and_conda_environment_agree_with_hashes_and_no_addresses(repository: Path) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    lock = locked(repository) | locked(repository, "requirements-torch.lock")
    conda = yaml.safe_load((repository / "environment.yml").read_text())["dependencies"]
    (pip,) = [entry["pip"] for entry in conda if isinstance(entry, dict)]
    pinned = dict(entry.split("==") for entry in pip if "==" in entry)
    direct = [Requirement(one) for one in project["dependencies"] + project["optional-dependencies"]["dev"]]
    assert pinned == {one.name: lock[one.name] for one in direct}
    assert [one.name for one in direct if not one.specifier.contains(lock[one.name])] == []
    assert "torch" not in locked(repository), "torch comes in a step of its own: its build differs between CPU and CUDA"
    cuda = locked(repository, "requirements-cuda.lock").keys()
    assert {"triton", "cuda-toolkit"} < cuda
    assert not cuda & locked(repository).keys()
    assert Version(lock["pytorch-lightning"]) >= Version("2.6.4"), "2.6.2 and 2.6.3 were malicious"
    for name in ("requirements.lock", "requirements-torch.lock", "requirements-cuda.lock"):
        text = (repository / name).read_text()
        assert "://" not in text
        entries = re.split(r"\n(?=[a-z0-9])", text)
        assert all("--hash=sha256:" in entry for entry in entries if re.match(r"[a-z0-9][^\n]*==", entry)), name


@CLONED
def test_no_data_or_databases_are_in_git_and_few_weights(repository: Path) -> None:
    for name in git(repository, "ls-files").decode().split():
        assert not name.startswith(("data/raw", "data/prepared", "checkpoints/", "results/quick/")), name
        assert not name.endswith((".ckpt", ".gz", ".bin", ".db")), name
        assert not name.endswith(".pt") or re.match(r"results/\w+/weights/", name), name
        assert name == "mlruns/.gitignore" or not name.startswith("mlruns/"), name
    weights = sum(path.stat().st_size for path in (repository / "results").glob("*/weights/*.pt"))
    assert weights <= 6_000_000, "in bytes; every clone carries them"
