"""`analyse`: an analysis, made or taken from its record."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import torch
from torch import Tensor, nn

from highways import paths
from highways.analysis.cost import step_cost
from highways.analysis.gates import gates
from highways.analysis.lesions import lesions
from highways.analysis.signal import signal
from highways.config import AnalysisConfig, CostConfig, GatesConfig, LesionsConfig, SignalConfig
from highways.data import fingerprint, load
from highways.tracking import AnalysisRecord, AnalysisStore, analysis_keys
from highways.tracking.analyses import rounded
from highways.tracking.environment import describe
from highways.tracking.mlflow_log import MlflowLog
from highways.tracking.records import RunRecord
from highways.training import device as devices
from highways.training import load_network, run
from highways.training.modules import build_network


def analyse(
    configs: Sequence[AnalysisConfig],
    *,
    experiment: str,
    profile: str,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    threads: int | None = None,
    mlflow: bool = True,
) -> list[AnalysisRecord]:
    """Return the records of analyses; those that have none are made.

    A network whose weights are not kept here is trained again, which is said. A run that diverged has no
    weights, and its analyses are left out.

    Args:
        configs: The analyses.
        experiment: Name of the records' folder and of the MLflow experiment, such as `04_gates`.
        profile: Name of the profile.
        device: See `highways.training.device.resolve`.
        threads: By default all cores.
        mlflow: Bring the records to MLflow.

    Raises:
        HighwaysError: A record, the data or the weights are at fault, or the network has not what is analysed.
    """
    store = AnalysisStore(paths.Results(profile).analyses(experiment))
    records = []
    for config, key in zip(configs, analysis_keys(configs), strict=True):
        record = store.adopt(key)
        if record is None:
            devices.prepare(threads or devices.cores())
            where = devices.resolve(device)
            trained: RunRecord | None = None
            if config.needs_weights:
                place = {"experiment": experiment, "profile": profile, "mlflow": mlflow}
                trained = run(config.run, device=device, weights=True, **place)  # type: ignore[arg-type]
                if trained.status == "diverged":
                    continue
            began = time.perf_counter()
            record = _made(config, key, trained, where, _values(config, trained, where), began)
            store.write(record)
            print(f"{experiment}: {key}, {record.timing['seconds']:.1f} s", flush=True)
        records.append(record)
    if mlflow:
        MlflowLog(profile, experiment).bring_analyses(records)
    return records


def _made(
    config: AnalysisConfig,
    key: str,
    trained: RunRecord | None,
    where: torch.device,
    values: dict[str, Any],
    began: float,
) -> AnalysisRecord:
    return AnalysisRecord(
        key=key,
        config=config,
        data_fingerprint=fingerprint(config.run.data),
        version=config.version,
        numerics=config.run.numerics,
        weights_sha256=trained.weights_sha256 if trained is not None else None,
        values=values,
        environment=describe(where),
        finished_at=datetime.now(UTC).isoformat(timespec="seconds"),
        timing={"seconds": round(time.perf_counter() - began, 3)},
    )


def _values(config: AnalysisConfig, trained: RunRecord | None, where: torch.device) -> dict[str, Any]:
    """Return what an analysis finds, as nested lists; see the dataclasses that the functions return."""
    measure, data = config.measure, load(config.run.data).to(where)
    if isinstance(measure, CostConfig):
        cost = step_cost(config.run, where, measure.steps)
        return {"seconds_per_step": [rounded(cost.seconds)], "bytes": [float(cost.bytes)]}
    network: nn.Module
    network = load_network(trained) if trained is not None else build_network(config.run, data)
    network, batches = network.to(where), data.evaluation_batches(config.run, "train")
    if isinstance(measure, SignalConfig):
        return _lists(vars(signal(network, batches, measure.examples)))
    if isinstance(measure, LesionsConfig):
        return _lists(vars(lesions(network, batches)))
    assert isinstance(measure, GatesConfig)
    found = gates(network, batches, data.classes, measure.examples, measure.example)
    return _lists(vars(found), digits=4)


def _lists(values: dict[str, Tensor | list[Tensor]], digits: int = 6) -> dict[str, Any]:
    return {
        name: rounded(value.tolist() if isinstance(value, Tensor) else [row.tolist() for row in value], digits)
        for name, value in values.items()
    }
