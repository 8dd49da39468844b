"""What does a GPU gain by recorded steps of a convolutional network? Milliseconds, measured in one run.

The authors' networks of MNIST, and a plain one, take steps on 100 images through Lightning's loop, as in training:

- `recorded`: a step is recorded as a CUDA graph and replayed (`highways.training.modules.PictureModule`);
- `stepwise`: one torch operation after the other, by Lightning's own optimisation (`HIGHWAYS_FUSED=0`).

Each is trained for two epochs of `--steps` steps, the first twenty of which do not count; shown is the better epoch.
Writes `benchmarks/recorded.csv`; where there is no GPU it says so.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings

import pytorch_lightning as pl
import torch
from timing import write

from highways.config import BudgetConfig, DataConfig, RunConfig
from highways.data import DataSet, load
from highways.experiments.conv.profile import recipe
from highways.nn.gpu import SWITCH
from highways.training import device as devices
from highways.training.execute import module_of, trainer_of

BATCH, WARM = 100, 20
NETWORKS = ("highway-mnist-16", "highway-mnist-32", "plain-mnist-32")


class Clock(pl.Callback):
    """Notes when the steps of every epoch that count begin and end."""

    def __init__(self, steps: int) -> None:
        self.steps, self.times = steps, list[float]()

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: object, batch_idx: int
    ) -> None:
        """Look at the clock when all before is done."""
        if batch_idx in (WARM, self.steps - 1):
            torch.cuda.synchronize()
            self.times.append(time.perf_counter())

    @property
    def milliseconds(self) -> float:
        """Of a step, in the better epoch."""
        epochs = zip(self.times[::2], self.times[1::2], strict=True)
        return min(end - begin for begin, end in epochs) / (self.steps - 1 - WARM) * 1e3


def run_of(name: str, precision: str) -> RunConfig:
    """Return a run of a network on MNIST, as the authors trained it."""
    network, pictures, optimiser, _ = recipe(name, "mnist")
    return RunConfig(
        data=DataConfig(name="mnist", pictures=pictures),
        network=network,
        optimiser=optimiser,
        budget=BudgetConfig(epochs=2, batch_size=BATCH),
        precision=precision,  # type: ignore[arg-type]
    )


def milliseconds(name: str, precision: str, data: DataSet, steps: int, recorded: bool) -> float:
    """Train, and return the time of a step."""
    os.environ[SWITCH] = str(int(recorded))
    clock = Clock(steps)
    module = module_of([run_of(name, precision)], ["key"], False, data, lambda event: None)
    limits = {"limit_train_batches": steps, "limit_val_batches": 0, "enable_checkpointing": False}
    trainer_of(precision, "cuda", 2, callbacks=[clock], **limits).fit(module)
    return round(clock.milliseconds, 3)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=NETWORKS, help="of highways.config.conv.NETWORKS")
    parser.add_argument("--steps", type=int, default=150, help="steps an epoch")
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        print("no CUDA device: nothing to measure")
        return

    devices.prepare(devices.cores())
    warnings.filterwarnings("ignore")
    data = load(run_of(NETWORKS[0], "float32").data).to(torch.device("cuda"))
    rows = []
    for name in arguments.networks:
        for precision in ("bfloat16", "float32"):
            recorded, stepwise = (milliseconds(name, precision, data, arguments.steps, way) for way in (True, False))
            row: dict[str, object] = {"network": name, "data": "mnist", "precision": precision}
            row |= {"recorded_milliseconds": recorded, "stepwise_milliseconds": stepwise}
            row |= {"times_stepwise": round(stepwise / recorded, 2), "device": torch.cuda.get_device_name()}
            rows.append(row)
            print("  ".join(f"{name} {value}" for name, value in row.items()), flush=True)
    write(__file__, rows)


if __name__ == "__main__":
    main()
