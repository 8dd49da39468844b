"""`analyse`: makes an analysis or reads its record."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

import torch
from torch import nn

from highways import paths
from highways.config import AnalysisConfig
from highways.data import fingerprint
from highways.tracking import AnalysisRecord, AnalysisStore, MlflowLog, RecordStore, analysis_keys, describe, run_keys
from highways.training import device as devices
from highways.training import load_network, run
from highways.training.checkpoints import accepted_sha256, weights_sha256


def analyse(
    configs: Sequence[AnalysisConfig],
    *,
    experiment: str,
    profile: str,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    threads: int | None = None,
    mlflow: bool = True,
) -> list[AnalysisRecord]:
    """Return the records of an experiment's analyses in a profile, such as those of `04_gates`; make the missing ones.

    A network whose weights are missing is retrained, with a message. A run that diverged has no weights; its analyses
    are left out. The default number of threads is that of the cores.

    Raises:
        HighwaysError: A record, the data or the weights are at fault, or the network lacks what is analysed.
    """
    store = AnalysisStore(paths.Results(profile).of(experiment).analyses)
    store.folder.mkdir(parents=True, exist_ok=True)
    runs = RecordStore(paths.Results(profile).of(experiment).runs)
    records = []
    for config, key in zip(configs, analysis_keys(configs), strict=True):
        record = store.read(key) if config.measure.clocked else store.adopt(key)
        if record is None or not is_of_the_weights(record, runs):
            network = None
            if config.measure.needs_weights:
                assert config.run is not None
                place = {"experiment": experiment, "profile": profile, "threads": threads, "mlflow": mlflow}
                trained = run(config.run, device=device, weights=True, **place)  # type: ignore[arg-type]
                if trained.status == "diverged":
                    continue
                network = load_network(trained)
            devices.prepare(threads or devices.cores())
            record = _measured(config, key, network, devices.resolve(device if config.run is not None else "cpu"))
            store.write(record)
            print(f"{experiment}: {key}, {record.timing['seconds']:.1f} s", flush=True)
        records.append(record)
    if mlflow:
        MlflowLog(profile, experiment).end(lambda runs: runs.bring_analyses(records))
    return records


def is_of_the_weights(record: AnalysisRecord, runs: RecordStore) -> bool:
    """Tell whether an analysis used the weights named by the run's record, or weights accepted in their place."""
    if not record.config.measure.needs_weights:
        return True
    (run_key,) = run_keys([record.run])
    trained = runs.adopt(run_key)
    return trained is None or record.weights_sha256 in (trained.weights_sha256, accepted_sha256(run_key))


def _measured(config: AnalysisConfig, key: str, network: nn.Module | None, where: torch.device) -> AnalysisRecord:
    """Make an analysis of a trained network, or of none, and return its record."""
    sha256 = weights_sha256(network.state_dict()) if network is not None else None
    began = time.perf_counter()
    values = config.measure.perform(config.run, network, where)
    return AnalysisRecord(
        key=key,
        config=config,
        data_fingerprint=fingerprint(config.data),
        version=config.measure.version,
        numerics=config.numerics,
        weights_sha256=sha256,
        values=values,
        environment=describe(where),
        finished_at=datetime.now(UTC).isoformat(timespec="seconds"),
        timing={"seconds": round(time.perf_counter() - began, 3)},
    )
