"""Recorded steps: convolutional networks train as they do by Lightning's own loop."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from highways.config import AdamConfig, RunConfig, validate
from highways.errors import HighwaysError
from highways.experiments.conv.profile import recipe
from highways.nn.gpu import CudaGraphed as Recorded
from highways.training import run, sweep
from highways.training.checkpoints import ResumePoint
from highways.training.modules import PictureModule, records_steps
from highways.training.optimisers import Adam, Caffe

GPU = torch.device("cuda")


def images(precision: str = "float32", epochs: int = 2, batch_size: int = 64) -> RunConfig:
    """A network of the authors', whose rate falls twice, on the small digits; the last batch is smaller."""
    network, pictures, optimiser, _ = recipe("highway-mnist-16", "digits")
    content = {
        "data": {"name": "digits", "pictures": pictures.model_dump()},
        "network": network.model_dump(),
        "optimiser": optimiser.model_dump() | {"milestones": [0.3, 0.6]},
        "budget": {"epochs": epochs, "batch_size": batch_size},
        "precision": precision,
    }
    return validate(RunConfig, content, "test")


def curves(project: Path, config: RunConfig, **how) -> tuple[dict, dict]:
    """Train anew; return curves and engine."""
    for path in project.glob("results/*/*/runs/*.json"):
        path.unlink()
    [record] = sweep([config], profile="p", experiment="e", mlflow=False, threads=1, **{"device": "cpu"} | how)
    return record.curves, record.engine


def test_steps_are_lightnings(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual, engine = curves(project, images())
    assert "recorded" not in engine
    monkeypatch.setattr("highways.training.modules.records_steps", lambda rule, device: True)
    ours, engine = curves(project, images())
    assert engine["recorded"] is True
    for name, curve in usual.items():  # rates are float32 where a recording reads them
        assert ours[name] == pytest.approx(curve, rel=1e-3, abs=2e-3), name


class Stop(Exception):
    """Ends a training."""


def stop_in_the_second_epoch(project: Path, monkeypatch: pytest.MonkeyPatch, device: str) -> None:
    """Leave a resume point of one epoch, and no record."""
    for path in project.glob("results/*/*/runs/*.json"):
        path.unlink()
    original = PictureModule.on_train_batch_start

    def stop(self: PictureModule, batch: object, batch_idx: int) -> None:
        if self.current_epoch == 1 and batch_idx == 2:
            raise Stop
        original(self, batch, batch_idx)

    monkeypatch.setenv("HIGHWAYS_CHECKPOINT_EVERY_S", "0")
    with monkeypatch.context() as patch:
        patch.setattr(PictureModule, "on_train_batch_start", stop)
        with pytest.raises(Stop):
            run(images(), profile="p", experiment="e", device=device, threads=1, mlflow=False)
    assert len(ResumePoint.all()) == 1


@pytest.mark.parametrize(("then", "now"), [(True, True), (True, False), (False, True)])
def test_a_run_is_resumed_recorded_or_not(
    project: Path, monkeypatch: pytest.MonkeyPatch, then: bool, now: bool
) -> None:
    whole, _ = curves(project, images())
    monkeypatch.setattr("highways.training.modules.records_steps", lambda rule, device: then)
    stop_in_the_second_epoch(project, monkeypatch, "cpu")
    monkeypatch.setattr("highways.training.modules.records_steps", lambda rule, device: now)
    resumed, engine = curves(project, images())
    assert engine.get("recorded", False) is now
    for name, curve in whole.items():
        assert resumed[name] == pytest.approx(curve, rel=1e-3, abs=2e-3), name
        assert len(resumed[name]) == 2


def test_what_is_recorded_is_replayed_and_reads_its_tensors(monkeypatch: pytest.MonkeyPatch) -> None:
    total, number, done = torch.zeros(()), torch.ones(()), []

    class Graph:
        def replay(self) -> None:
            done.append("replay")
            total.add_(number)

    class Recording:
        def __init__(self, graph: Graph):
            done.append("record")

        def __enter__(self) -> None:
            self.held = total.clone()

        def __exit__(self, *_: object) -> None:
            total.copy_(self.held)  # what is recorded is not run

    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", Recording)

    def work() -> None:
        done.append("run")
        total.add_(number)

    recorded = Recorded(work)
    for value in (1, 2, 3):
        number.fill_(value)
        recorded()
    assert done == ["run", "record", "run", "replay", "replay"]
    assert total == 6


def test_only_gpus_record_and_what_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    caffe = Caffe(images().optimiser)  # type: ignore[arg-type]
    assert records_steps(caffe, GPU)
    assert not records_steps(caffe, torch.device("cpu"))
    assert not records_steps(Adam(AdamConfig(kind="adam", learning_rate=0.1)), GPU)
    monkeypatch.setenv("HIGHWAYS_FUSED", "0")
    assert not records_steps(caffe, GPU)
    monkeypatch.setenv("HIGHWAYS_FUSED", "maybe")
    with pytest.raises(HighwaysError, match="HIGHWAYS_FUSED must be 0 or 1"):
        records_steps(caffe, GPU)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_replays_equal_what_is_not_recorded_on_a_gpu(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, engine = curves(project, images(epochs=3), device="cuda")
    assert engine["recorded"] is True
    monkeypatch.setattr("highways.training.modules.Recorded", lambda work, record: Recorded(work, record=False))
    stepwise, _ = curves(project, images(epochs=3), device="cuda")
    assert ours == stepwise, "to the bit, dropout's draws included"
    monkeypatch.setenv("HIGHWAYS_FUSED", "0")
    usual, engine = curves(project, images(epochs=3), device="cuda")
    assert "recorded" not in engine
    for name, curve in usual.items():
        assert ours[name] == pytest.approx(curve, rel=0.05, abs=0.02), name


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("device", ["cuda", "cpu"])
def test_a_recorded_run_is_resumed_on_either_device(
    project: Path, monkeypatch: pytest.MonkeyPatch, device: str
) -> None:
    whole, _ = curves(project, images(), device="cuda")
    stop_in_the_second_epoch(project, monkeypatch, "cuda")
    resumed, engine = curves(project, images(), device=device)
    assert engine.get("recorded", False) is (device == "cuda")
    if device == "cuda":
        assert resumed == whole, "to the bit"
    for name, curve in whole.items():
        assert resumed[name] == pytest.approx(curve, rel=0.05, abs=0.02), name
