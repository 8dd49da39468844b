"""`highways repro`: one stage that fails does not stop the others, an interrupt stops all; nothing trains unasked."""

import os
import shutil
import sys
from pathlib import Path

import pytest
import yaml
from toolbox import OF_MLFLOW, refused

from highways.config.profiles import use_profiles
from highways.pipeline import stage
from highways.pipeline.repro import repro

pytestmark = OF_MLFLOW


@pytest.fixture
def pipeline(project: Path, monkeypatch: pytest.MonkeyPatch):
    """Writes a DVC pipeline whose stages are commands of the shell; b depends on a."""
    (project / ".dvc").mkdir()
    (project / ".dvc" / "config").write_text("[core]\n    no_scm = true\n    analytics = false\n")
    monkeypatch.chdir(project)

    def write(**commands: str) -> None:
        stages = {
            name: {"cmd": command, "outs": [{name: {"cache": False, "persist": True}}], "deps": ["a"] * (name == "b")}
            for name, command in commands.items()
        }
        (project / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))

    return write


def test_a_stage_that_fails_does_not_stop_the_others(pipeline, project: Path, capfd) -> None:
    (project / "a").write_text("of an earlier time")
    pipeline(a="echo 'error: a: no data' >&2; exit 1", b="echo made > b", c="echo made > c")
    with refused("1 of the stages failed: a"):
        repro()
    out, err = capfd.readouterr()
    assert (project / "c").exists()
    assert "error: a: no data\n" in err
    assert "Traceback" not in out + err
    pipeline(a="echo made > a", b="echo made > b", c="echo made > c")
    repro()
    assert "1 stage was up to date" in capfd.readouterr().out
    assert (project / "b").exists()


def test_profile_of_ones_own_needs_no_more_files_than_it_uses(pipeline, project: Path, capfd) -> None:
    (project / "profiles" / "mine").mkdir()
    (project / "profiles" / "mine" / "01_depth.yaml").write_text("profile: mine\n")
    use_profiles(["mine"])
    stages = {name: {"foreach": ["mine"], "do": {"cmd": f"echo ran >> {name}"}} for name in ("01_depth", "03_conv")}
    (project / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
    repro()
    assert "mine: parameter files of 1 of 11 notebooks; `highways report --profile mine` " in capfd.readouterr().out
    assert (project / "01_depth").exists()
    assert not (project / "03_conv").exists()


def test_stages_find_the_commands_beside_the_interpreter(pipeline, project: Path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", os.defpath)
    pipeline(a="command -v highways > a")
    repro()
    assert (project / "a").read_text().strip() == str(Path(sys.executable).with_name("highways"))


def test_a_lock_that_cannot_be_written_is_one_line_and_an_interrupted_stage_stops_the_others(
    pipeline, project: Path
) -> None:
    pipeline(a="exit 130", c="echo made > c")
    with pytest.raises(SystemExit, match="130"):
        repro()
    assert not (project / "c").exists()
    shutil.rmtree(project / ".dvc" / "tmp")
    (project / ".dvc" / "tmp").write_text("no folder")
    with refused("dvc: "):
        repro()


def test_no_train_draws_and_leaves_the_lock(project: Path, monkeypatch, capsys) -> None:
    ran: list[str] = []

    def execute(source: str, *_: object, **__: object) -> None:
        ran.append(Path(source).stem)

    monkeypatch.setattr(stage, "execute_notebook", execute)
    repro(train=False)
    out = capsys.readouterr().out
    assert "01_depth@quick: there are no records to show\n" in out
    assert ran == ["99_report"], "nothing else has records"
    assert not (project / "dvc.lock").exists()
    with refused("no stage '01@quick'; there are: 01_depth@quick, "):
        repro(["01@quick"], train=False)
