"""Odd places: any path, no home, any locale, clocks that go back."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from checkout import REPOSITORY, stand_in

from . import tiny

ODD = ["two words", 'it\'s a "quote" & 100% #1?', "$HOME `id`; ünïcödé ✓"]
LOCKS = ("requirements.lock", "requirements-torch.lock", "requirements-cuda.lock")
FAKE_PYTHON = """
echo "$@" >> "$NOTES"
[ "$1" != -c ] || { printf %s "$CUDA"; exit 0; }
[ "$2" = venv ] || exit 0
for last; do :; done
mkdir -p "$last/bin"
cp "$0" "$last/bin/python"
"""


@pytest.mark.parametrize("name", ODD)
def test_make_setup_works_in_any_path(tmp_path: Path, name: str) -> None:
    """With a Python that only notes what it is asked for."""
    folder, notes, fake = tmp_path / name, tmp_path / "notes", stand_in(tmp_path / "fake python", FAKE_PYTHON)
    folder.mkdir()
    for file in ("Makefile", *LOCKS, "pyproject.toml"):
        shutil.copyfile(REPOSITORY / file, folder / file)

    def make(*arguments: str, cuda: bool = False, again: bool = False) -> list[str]:
        if again:
            (folder / ".venv" / ".complete").unlink()
        notes.write_text("")
        env = os.environ | {"NOTES": str(notes), "CUDA": "nvidia-nccl-cu13" if cuda else ""}
        command = ["make", "setup", f"PYTHON={fake}", *arguments]
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return notes.read_text().splitlines()

    asked = make()
    assert asked[0] == "-m venv .venv"
    hashed = [re.search(r"--require-hashes -r (\S+)$", line) for line in asked]
    assert asked[1].endswith(" --dest .venv/wheels torch==2.13.0"), "the build that pip chooses"
    assert "--no-index --find-links .venv/wheels" in asked[2]
    assert [found[1] for found in hashed if found] == ["requirements-torch.lock", "requirements.lock"]
    assert "--no-deps --no-build-isolation -e ." in asked[-1]
    assert (folder / ".venv" / ".complete").read_text() == f"{folder}\n"
    assert make() == [], "it is complete"
    folder = folder.rename(tmp_path / f"{name} moved")
    moved = make(cuda=True)
    assert moved[0] == "-m venv --clear .venv"
    assert sum(f"--require-hashes -r {lock}" in line for line in moved for lock in LOCKS) == 3, "of a CUDA build"
    other = make("TORCH=torch==2.13.0 --index-url there", cuda=True, again=True)
    assert other[1].endswith(" torch==2.13.0 --index-url there"), "the user's, with what it asks for"
    assert not any("requirements-" in line for line in other)
    assert make(again=True)[1] == other[1], "it is remembered"
    assert " --dest .venv/wheels torch==2.13.0" in make("TORCH=", again=True)[1]


def test_parts_of_cuda_are_asked_for_by_the_build_that_is_installed() -> None:
    shown = subprocess.run(["make", "-n", "-B", "setup", "TORCH="], cwd=REPOSITORY, capture_output=True, text=True)
    (code,) = re.findall(r'-c "(import importlib\.metadata[^"]*)"', shown.stdout)
    for asks in (["filelock", "sympy>=1.13"], ["filelock", "nvidia-nccl-cu13==2", "cuda-toolkit==13"]):
        fake = (
            f"import importlib.metadata, sys; sys.platform = 'linux'; importlib.metadata.requires = lambda _: {asks}; "
        )
        done = subprocess.run([sys.executable, "-c", fake + code], capture_output=True, text=True, check=True)
        assert done.stdout.split() == [one for one in asks if one.startswith(("nvidia", "cuda"))]


def outcomes(root: Path, before: str = "", **more: str) -> dict[str, object]:
    """Run the pipeline in a process that does something before, and return what comes of it."""
    code = f"{before}\nimport faults.tiny as tiny, pathlib\ntiny.pipeline(pathlib.Path({str(root)!r}), text=False)"
    path = os.pathsep.join([str(REPOSITORY / "tests"), str(REPOSITORY / "src")])
    env = os.environ | {"PYTHONPATH": path} | more
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    said = (root / "said.txt").read_text()
    assert done.returncode == 0, said + done.stderr
    assert "highways tracking rebuild" not in said
    assert (root / "mlruns" / "mlflow.db").exists()
    assert len(tiny.records(root)) == 8
    assert not tiny.left_over(root)
    return tiny.outcomes(root)


NO_HOME = {"HOME": "/nonexistent", "XDG_CACHE_HOME": "/nonexistent", "XDG_CONFIG_HOME": "/nonexistent"}
BACK = """
import time, itertools
real, calls = time.time, itertools.count()
time.time = lambda: real() - 3600 * next(calls)  # an hour back at every look
"""


@pytest.mark.faults
def test_any_path_no_home_any_locale_any_zone_and_a_clock_that_goes_back_change_no_number(tmp_path, count) -> None:
    surroundings: list[dict[str, str]] = [
        NO_HOME,
        {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"TZ": "Pacific/Kiritimati", "LC_ALL": "C.UTF-8"},
        {"before": BACK},
    ]
    made = [outcomes(tiny.project(tmp_path / name)) for name in ODD]
    made += [outcomes(tiny.project(tmp_path / f"{number}"), **more) for number, more in enumerate(surroundings)]
    assert not [name for one in made[1:] for name in tiny.differing(made[0], one)]
    count("places", "blanks, quotes and other marks in the path", len(ODD))
    count("places", "no home, another locale, another time zone", 3)
    count("places", "a clock that goes back", 1)
