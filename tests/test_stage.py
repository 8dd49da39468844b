"""Stages of the pipeline: a line when one starts and when it is done, the rest in a log; it ends with its parent."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from highways.errors import HighwaysError
from highways.pipeline import repro, screen, stage
from highways.pipeline.screen import LINE, LIVE, RELAY, Screen


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


def test_live_lines_replace_each_other_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    stream = Terminal()
    shown = Screen(stream)
    shown.live("epoch 1/2")
    shown.live("epoch 2/2, and much more than fits")
    shown.line("done")
    assert stream.getvalue() == "epoch 1/2\r\x1b[Kepoch 2/2, and muc…\r\x1b[Kdone\n"


def test_a_log_gets_some_of_the_live_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(screen.time, "monotonic", lambda: now[0])
    stream = io.StringIO()
    shown = Screen(stream)
    shown.line("starts")
    for second in range(41):
        now[0] = float(second)
        shown.live(f"at {second} s")
    shown.line("done")
    assert stream.getvalue().splitlines() == ["starts", "at 20 s", "at 40 s", "done"]


def test_lines_of_a_stage_are_relayed_as_they_were_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(screen.RELAY, "1")
    sent = io.StringIO()
    stage = Screen(sent)
    stage.line("starts")
    stage.live("epoch 1/2")
    monkeypatch.delenv(screen.RELAY)
    stream = Terminal()
    shown = Screen(stream)
    assert all(shown.relay(line) for line in sent.getvalue().splitlines())
    assert not shown.relay("Running stage '01_depth@quick':")
    assert stream.getvalue() == "starts\nepoch 1/2"
    assert sent.getvalue() == f"{LINE}starts\n{LIVE}epoch 1/2\n"


def fake_dvc(folder: Path, script: str) -> list[str]:
    """A command in place of `dvc repro`."""
    path = folder / "fake_dvc.py"
    path.write_text(script)
    return [sys.executable, "-u", str(path)]


@pytest.fixture
def run_repro(project: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start `highways repro` in a process group of its own, with a command in place of DVC's; no process is left."""
    started: list[subprocess.Popen[str]] = []

    def start(script: str, says: str = "") -> subprocess.Popen[str]:
        command = fake_dvc(project, script)  # a background job would ignore SIGINT, and so would what it starts
        code = "import signal, sys\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        code += f"from highways.pipeline import repro\nrepro.COMMAND = {command!r}\nsys.exit(repro.repro([]))\n"
        started.append(
            subprocess.Popen(
                [sys.executable, "-c", code],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        )
        if says:
            assert started[-1].stdout is not None
            assert started[-1].stdout.readline() == f"{says}\n"
        return started[-1]

    yield start
    for process in started:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def test_repro_shows_stages_and_what_came_out_and_logs_the_rest(project: Path, run_repro) -> None:
    (project / "results/quick").mkdir(parents=True)
    (project / "results/quick/verdicts.json").write_text(
        '{"sources": {"inconclusive": 2, "replicated": 1}, "our_own": {"not run": 3}}'
    )
    (project / "results/quick/report.html").write_text("")
    done = run_repro(
        "print(\"Stage '02@quick' didn't change, skipping\")\nprint('> highways notebook run quick 01')\n"
        f"print({LINE + '01@quick: done in 3 s'!r})\nprint('Use `dvc push` to send your updates to remote storage.')\n",
    )
    out, err = done.communicate(timeout=60)
    assert done.returncode == 0, err
    lines = out.splitlines()
    assert lines[0] == "01@quick: done in 3 s"
    assert lines[1].startswith("done in 0 s, 1 stage was up to date; the log is results/repro.log")
    assert lines[2] == "quick: 3 claims of the sources: 1 replicated, 2 inconclusive"
    assert lines[3] == "quick: 3 questions of our own: 3 not run"
    assert lines[4] == "quick: the report is results/quick/report.html"
    assert lines[5] == repro.NEXT
    assert len(lines) == 6
    log = (project / "results/repro.log").read_text()
    assert "dvc push" in log
    assert "01@quick: done in 3 s\n" in log


def test_repro_says_on_one_line_what_failed(run_repro) -> None:
    script = "print('error: 01@quick: no such thing')\nprint('ERROR: failed to reproduce 01@quick')\nexit(255)\n"
    done = run_repro(script)
    out, err = done.communicate(timeout=60)
    assert done.returncode == 255
    assert out == ""
    first, second = err.splitlines()
    assert first == "error: 01@quick: no such thing"
    assert second.endswith("the log is results/repro.log")


def test_repro_says_one_line_when_it_is_interrupted(run_repro) -> None:
    script = "import signal, time\nsignal.signal(signal.SIGINT, lambda *_: exit(255))\n"
    script += f"print({LINE + 'on'!r})\ntime.sleep(60)\n"
    done = run_repro(script, says="on")
    os.killpg(done.pid, signal.SIGINT)  # as from a terminal: both at once
    out, err = done.communicate(timeout=60)
    assert done.returncode == 128 + signal.SIGINT
    assert out.splitlines() == ["interrupted; the same command goes on from the last checkpoint; no result was removed"]
    assert err == ""


def test_a_second_interrupt_stops_what_does_not_hear_the_first(run_repro) -> None:
    script = "import signal, time\nsignal.signal(signal.SIGINT, lambda *_: print('heard'))\n"
    script += f"print({LINE + 'on'!r})\nwhile True: time.sleep(60)\n"
    done = run_repro(script, says="on")
    deadline = time.monotonic() + 60
    while done.poll() is None and time.monotonic() < deadline:
        os.killpg(done.pid, signal.SIGINT)
        time.sleep(0.5)
    out, _ = done.communicate(timeout=60)
    assert done.returncode == 128 + signal.SIGINT
    assert "interrupted; " in out


def test_the_handler_of_interrupts_is_the_one_before_when_it_is_over() -> None:
    def ours(*_: object) -> None: ...

    before = signal.signal(signal.SIGINT, ours)
    try:
        with repro.interrupts_left_to_the_stage() as interrupts:
            os.kill(os.getpid(), signal.SIGINT)
            assert interrupts.count == 1
        assert signal.getsignal(signal.SIGINT) is ours
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        with repro.interrupts_left_to_the_stage():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN, "a script's background job hears none"
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_stage_ends_when_what_runs_the_pipeline_is_killed(tmp_path: Path) -> None:
    """The shell between them stays behind, as it does under DVC, and so would the kernel."""
    stage = (
        "import subprocess, sys, time\nfrom highways.pipeline import stage\nstage._end_with_parent()\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print(child.pid, flush=True)\ntime.sleep(60)\n"
    )
    (tmp_path / "stage.py").write_text(stage)
    pipeline = f"import subprocess\nsubprocess.run(['sh', '-c', '{sys.executable} {tmp_path / 'stage.py'}; true'])\n"
    env = os.environ | {"DVC_STAGE": "01_depth@quick"}
    dvc = subprocess.Popen([sys.executable, "-c", pipeline], stdout=subprocess.PIPE, text=True, env=env)
    assert dvc.stdout is not None
    kernel = psutil.Process(int(dvc.stdout.readline()))
    stage_process = kernel.parent()
    assert stage_process is not None
    dvc.kill()
    dvc.wait()
    dvc.stdout.close()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and (alive(kernel) or alive(stage_process)):
        time.sleep(0.1)
    assert not alive(kernel)
    assert not alive(stage_process)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_stage_ends_when_highways_repro_is_killed_whose_dvc_lives_on(tmp_path: Path) -> None:
    (tmp_path / "stage.py").write_text(
        "import time\nfrom highways.pipeline import stage\nstage._end_with_parent()\n"
        "print('there', flush=True)\ntime.sleep(60)\n"
    )
    dvc = f"import subprocess, time\nsubprocess.run(['sh', '-c', '{sys.executable} {tmp_path / 'stage.py'}; true'])\n"
    (tmp_path / "dvc.py").write_text(dvc)
    repro_code = f"import subprocess\nsubprocess.run(['{sys.executable}', '{tmp_path / 'dvc.py'}'])\n"
    env = os.environ | {"DVC_STAGE": "01_depth@quick", RELAY: "1"}
    parent = subprocess.Popen([sys.executable, "-c", repro_code], stdout=subprocess.PIPE, text=True, env=env)
    assert parent.stdout is not None
    assert parent.stdout.readline() == "there\n"
    below = psutil.Process(parent.pid).children(recursive=True)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and any(map(alive, below)):
        time.sleep(0.1)
    assert not any(map(alive, below)), "the stage, and with it the shell and DVC"


def test_a_stage_that_nobody_hears_has_failed(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(stage, "check", lambda *_: None)
    monkeypatch.setattr(stage, "_end_with_parent", lambda: None)
    monkeypatch.setattr(stage, "_execute", broken)
    with pytest.raises(HighwaysError, match=r"^01_depth@quick: stopped, for nobody reads .* goes on from"):
        stage.run_stage("quick", "01_depth")


def test_repro_that_nobody_hears_has_failed(run_repro) -> None:
    process = run_repro(
        "import time\nfor i in range(60):\n    print('\x02line one more', flush=True)\n    time.sleep(.1)\n", "one more"
    )
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    _, said = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "HighwaysError: dvc repro: stopped, for nobody reads" in said


def alive(process: psutil.Process) -> bool:
    """Tell whether a process runs; one that nobody has waited for yet does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
