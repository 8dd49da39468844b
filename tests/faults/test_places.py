"""Odd places: full disks, read-only folders, no home, any path, any locale, clocks that go back."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from . import tiny
from .conftest import REPOSITORY, new_project

ODD = ["two words", 'it\'s a "quote" & 100% #1?', "$HOME `id`; ünïcödé ✓"]


def python(root: Path, code: str, **more: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"HIGHWAYS_ROOT": str(root), "HIGHWAYS_OFFLINE": "1", "HIGHWAYS_PROGRESS": "none"} | more
    env.pop("MLFLOW_TRACKING_URI", None)
    command = [sys.executable, "-c", textwrap.dedent(code)]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=300)


PIPELINE = """
    import faults.tiny as tiny, os, pathlib
    tiny.pipeline(pathlib.Path(os.environ["HIGHWAYS_ROOT"]), 1, False)
"""


def piped(root: Path, **more: str) -> subprocess.CompletedProcess[str]:
    return python(root, PIPELINE, PYTHONPATH=f"{REPOSITORY / 'tests'}{os.pathsep}{REPOSITORY / 'src'}", **more)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    root = new_project(tmp_path / "project")
    tiny.shrink(root)
    return root


@pytest.mark.parametrize("name", ODD)
def test_make_setup_works_in_any_path(tmp_path: Path, name: str) -> None:
    """With a Python that only notes what it is asked for."""
    folder = tmp_path / name
    folder.mkdir()
    locks = ("requirements.lock", "requirements-torch.lock", "requirements-cuda.lock")
    for file in ("Makefile", *locks, "pyproject.toml"):
        shutil.copyfile(REPOSITORY / file, folder / file)
    fake = tmp_path / "fake python"
    fake.write_text(
        textwrap.dedent(
            """\
            #!/bin/sh
            echo "$@" >> "$NOTES"
            [ "$1" != -c ] || { printf %s "$CUDA"; exit 0; }
            [ "$2" = venv ] || exit 0
            for last; do :; done
            mkdir -p "$last/bin"
            cp "$0" "$last/bin/python"
            """
        )
    )
    fake.chmod(0o755)
    notes = tmp_path / "notes"

    def make(place: Path, *arguments: str, cuda: bool = False) -> list[str]:
        notes.write_text("")
        env = os.environ | {"NOTES": str(notes), "CUDA": "nvidia-nccl-cu13" if cuda else ""}
        command = ["make", "setup", f"PYTHON={fake}", *arguments]
        done = subprocess.run(command, cwd=place, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return notes.read_text().splitlines()

    asked = make(folder)
    assert asked[0] == "-m venv .venv"
    hashed = [re.search(r"--require-hashes -r (\S+)$", line) for line in asked]
    assert asked[1].endswith(" --dest .venv/wheels torch==2.13.0"), "the build that pip chooses"
    assert "--no-index --find-links .venv/wheels" in asked[2]
    assert [found[1] for found in hashed if found] == ["requirements-torch.lock", "requirements.lock"]
    assert "--no-deps --no-build-isolation -e ." in asked[-1]
    assert (folder / ".venv" / ".complete").read_text() == f"{folder}\n"
    assert make(folder) == [], "it is complete"
    moved = folder.rename(tmp_path / f"{name} moved")
    again = make(moved, cuda=True)
    assert again[0] == "-m venv --clear .venv"
    assert sum(f"--require-hashes -r {lock}" in line for line in again for lock in locks) == 3, "of a CUDA build"
    (moved / ".venv" / ".complete").unlink()
    other = make(moved, "TORCH=torch==2.13.0 --index-url there", cuda=True)
    assert other[1].endswith(" torch==2.13.0 --index-url there"), "the user's, with what it asks for"
    assert not any("requirements-" in line for line in other)
    (moved / ".venv" / ".complete").unlink()
    assert make(moved)[1] == other[1], "it is remembered"
    (moved / ".venv" / ".complete").unlink()
    assert " --dest .venv/wheels torch==2.13.0" in make(moved, "TORCH=")[1]


@pytest.mark.parametrize(
    ("asks", "parts"),
    [
        (["filelock", "sympy>=1.13"], ""),
        (["filelock", "nvidia-nccl-cu13==2", "cuda-toolkit==13"], "nvidia-nccl-cu13==2 cuda-toolkit==13"),
    ],
)
def test_parts_of_cuda_are_asked_for_by_the_build_that_is_installed(asks: list[str], parts: str) -> None:
    shown = subprocess.run(["make", "-n", "-B", "setup", "TORCH="], cwd=REPOSITORY, capture_output=True, text=True)
    (code,) = re.findall(r'-c "(import importlib\.metadata[^"]*)"', shown.stdout)
    fake = f"import importlib.metadata, sys; sys.platform = 'linux'; importlib.metadata.requires = lambda _: {asks!r}; "
    done = subprocess.run([sys.executable, "-c", fake + code], capture_output=True, text=True, check=True)
    assert done.stdout == f"{parts}\n"


FULL = """
    import os, resource, signal
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(os.environ["LIMIT"]), resource.RLIM_INFINITY))
    from highways.errors import HighwaysError
    from highways.experiments import DEPTH
    from highways.report.verdicts import judge_all, write_claims
    from highways.training import sweep
    try:
        study = DEPTH.of("quick")
        more = {"threads": 1, "mlflow": os.environ["MLFLOW"] == "1"}
        sweep(study.settings.runs(), experiment="01_depth", profile="quick", **more)
        study.figure()
        study.table()
        write_claims(judge_all("quick"))
    except HighwaysError as error:
        print("error:", error)
"""


@pytest.mark.faults
def test_full_disk_is_one_line_and_work_goes_on_with_room(small: Path, tmp_path: Path, count) -> None:
    reference = tiny.copy_of(small, tmp_path / "reference")
    assert piped(reference).returncode == 0
    sizes = [100, 1_000, 2_500, 4_000, 20_000, 40_000]
    for limit in sizes:
        done = python(small, FULL, LIMIT=str(limit), MLFLOW="0")
        assert done.returncode == 0, done.stderr
        lines = [line for line in done.stdout.splitlines() if line.startswith("error:")]
        assert len(lines) == 1, (limit, done.stdout)
        assert "cannot be written: File too large" in lines[0]
        assert "Traceback" not in done.stderr
        assert not list(small.rglob("*.part"))
    done = python(small, FULL, LIMIT="200000", MLFLOW="1")  # the database has no room
    assert done.returncode == 0, done.stderr
    assert "highways tracking rebuild" in done.stderr
    assert piped(small).returncode == 0, (small / "said.txt").read_text()
    assert not tiny.differing(tiny.outcomes(reference), tiny.outcomes(small))
    assert not tiny.differing(tiny.derived(reference), tiny.derived(small))
    assert not tiny.left_over(small)
    count("places", "a full disk, at different sizes of file", len(sizes) + 1)


@pytest.mark.faults
@pytest.mark.parametrize("name", ODD)
def test_pipeline_works_in_any_path(tmp_path: Path, name: str, count) -> None:
    root = new_project(tmp_path / name)
    tiny.shrink(root)
    done = piped(root)
    assert done.returncode == 0, (root / "said.txt").read_text() + done.stderr
    assert len(tiny.records(root)) == 8
    assert (root / "mlruns" / "mlflow.db").exists()
    assert "highways tracking rebuild" not in (root / "said.txt").read_text()
    count("places", "blanks, quotes and other marks in the path", 1)


@pytest.mark.faults
def test_no_home_any_locale_any_zone(small: Path, tmp_path: Path, count) -> None:
    surroundings: list[dict[str, str]] = [
        {"HOME": "/nonexistent", "XDG_CACHE_HOME": "/nonexistent", "XDG_CONFIG_HOME": "/nonexistent"},
        {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"TZ": "Pacific/Kiritimati", "LC_ALL": "C.UTF-8"},
    ]
    made = []
    for number, more in enumerate(surroundings):
        root = tiny.copy_of(small, tmp_path / f"{number}")
        done = piped(root, **more)
        assert done.returncode == 0, (root / "said.txt").read_text() + done.stderr
        made.append(tiny.outcomes(root) | tiny.derived(root))
    assert not [name for one in made[1:] for name in tiny.differing(made[0], one)]
    count("places", "no home, another locale, another time zone", len(surroundings))


BACK = """
    import time, itertools
    real, calls = time.time, itertools.count()
    time.time = lambda: real() - 3600 * next(calls)  # an hour back at every look
    import faults.tiny as tiny, os, pathlib
    tiny.pipeline(pathlib.Path(os.environ["HIGHWAYS_ROOT"]), 1, False)
"""


@pytest.mark.faults
def test_clock_that_goes_back_changes_no_number(small: Path, tmp_path: Path, count) -> None:
    other = tiny.copy_of(small, tmp_path / "other")
    path = f"{REPOSITORY / 'tests'}{os.pathsep}{REPOSITORY / 'src'}"
    done = python(other, BACK, PYTHONPATH=path)
    assert done.returncode == 0, (other / "said.txt").read_text() + done.stderr
    assert piped(small).returncode == 0
    assert not tiny.differing(tiny.outcomes(small), tiny.outcomes(other))
    assert not tiny.differing(tiny.derived(small), tiny.derived(other))
    count("places", "a clock that goes back", 1)
