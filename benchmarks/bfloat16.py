"""What does bfloat16 bring to convolutions on a CPU, and what does it cost? Speed and accuracy from the same trainings.

The released MNIST networks of 16 and 32 channels, trained with Adam for `--steps` steps of 100 images, in float32 and
in bfloat16 (`precision: bfloat16`), the two in turns, a turn a seed. (With the released solver they have learned next
to nothing after so few steps.) Shown are the ratio of their speeds and the accuracy of both on the first `--tested`
test images. Where MNIST is not at hand, the digits, enlarged, stand in. Writes `benchmarks/bfloat16.csv`.
"""

import argparse
import logging
import statistics
import time
import warnings
from dataclasses import replace

import pytorch_lightning as pl
from timing import peak_gflops, ratio, write

from highways.config import NETWORKS, DataConfig, PicturesConfig
from highways.config.run import AdamConfig, BudgetConfig, RunConfig
from highways.data import Pictures, load
from highways.errors import HighwaysError
from highways.tracking.events import EpochEnded, Event
from highways.training import device as devices
from highways.training.execute import trainer_of
from highways.training.modules import ClassifierModule

BATCH = 100


def pictures(steps: int, tested: int) -> Pictures:
    """Return so many batches of MNIST, or of the digits."""
    try:
        found = load(DataConfig(name="mnist", pictures=PicturesConfig(training_images=BATCH * steps)))
    except HighwaysError as error:
        print(f"{error}: digits stand in")
        found = load(DataConfig(name="digits", pictures=PicturesConfig(enlarge=3)))
    assert isinstance(found, Pictures)
    x, y = found.x | {"test": found.x["test"][:tested]}, found.y | {"test": found.y["test"][:tested]}
    return replace(found, x=x, y=y)


def trained(name: str, precision: str, seed: int, data: Pictures, threads: int) -> tuple[float, float]:
    """Train a network for an epoch and return the images a core second and the accuracy on the test part."""
    devices.prepare(threads)
    config = RunConfig(
        data=DataConfig(name=data.name, pictures=data.config),  # type: ignore[arg-type]
        network=NETWORKS[name],
        optimiser=AdamConfig(kind="adam", learning_rate=1e-3),
        budget=BudgetConfig(epochs=1, batch_size=BATCH),
        seed=seed,
        order_seed=seed,
        precision=precision,  # type: ignore[arg-type]
    )
    found: list[float] = []

    def listen(event: Event) -> None:
        if isinstance(event, EpochEnded) and event.metrics[0] is not None:
            found.append(event.metrics[0]["test_accuracy"])

    clock = Clock()
    module = ClassifierModule(config, "key", data, listen)
    trainer = trainer_of(precision, "cpu", 1, callbacks=[clock], enable_checkpointing=False)
    trainer.fit(module)
    return clock.images / clock.seconds, found[0] if found else 0.0


class Clock(pl.Callback):
    """Measures the processor time of the training batches but for the first three: other work does not count."""

    def __init__(self) -> None:
        self.began, self.seconds, self.images = 0.0, 0.0, 0

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *rest: object) -> None:
        """Count a batch."""
        now = time.process_time()
        if self.began:
            self.seconds, self.images = now - self.began, self.images + BATCH
        elif rest[-1] == 2:
            self.began = now


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=["highway-mnist-16", "highway-mnist-32"])
    parser.add_argument("--steps", type=int, default=150, help="batches of a training")
    parser.add_argument("--tested", type=int, default=5_000, help="test images")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each network in each precision")
    parser.add_argument("--threads", type=int, default=1, help="more wait for each other, which counts as work")
    arguments = parser.parse_args()

    warnings.filterwarnings("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    data = pictures(arguments.steps, arguments.tested)
    rows = []
    for name in arguments.networks:
        found: dict[str, list[tuple[float, float]]] = {"bfloat16": [], "float32": []}
        for seed in range(arguments.seeds):
            for precision, outcomes in found.items():
                outcomes.append(trained(name, precision, seed, data, arguments.threads))
                print(name, precision, seed, outcomes[-1], flush=True)
        rates = {precision: [rate for rate, _ in outcomes] for precision, outcomes in found.items()}
        row: dict[str, object] = {
            "network": name,
            "data": data.name,
            "channels": NETWORKS[name].stages[0].width,
            "steps": len(data.y["train"]) // BATCH,
            "seeds": arguments.seeds,
            "threads": arguments.threads,
            "bfloat16_images_per_core_second": round(statistics.median(rates["bfloat16"]), 1),
            "float32_images_per_core_second": round(statistics.median(rates["float32"]), 1),
        }
        row |= ratio("times_float32", rates["bfloat16"], rates["float32"])
        for precision, outcomes in found.items():
            accuracies = [accuracy for _, accuracy in outcomes]
            row[f"{precision}_accuracy"] = round(statistics.mean(accuracies), 4)
            row[f"{precision}_accuracy_least"] = round(min(accuracies), 4)
            row[f"{precision}_accuracy_most"] = round(max(accuracies), 4)
        row["peak_gflop_per_second"] = round(peak_gflops(), 1)
        rows.append(row)
        print("  ".join(f"{column} {value}" for column, value in row.items()), flush=True)
        write(__file__, rows)


if __name__ == "__main__":
    main()
