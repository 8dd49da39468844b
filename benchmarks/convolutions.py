"""How much faster are batches that never leave the device? Ratios, measured in one run.

Three ways to train the same convolutional network (Highway A by default, CIFAR-10's shape, random images) in
batches of 100, with the same optimiser, the same preparation (contrast, mean image, crops, mirrors):

- `ours`: bytes on the device, a batch prepared by a few tensor operations, channels last
  (`highways.training.modules.ClassifierModule`); bfloat16 on a GPU;
- `float32`: the same in float32;
- `usual`: a LightningModule, a Dataset with transforms image by image, a DataLoader with workers, in a process of
  its own, so that nothing of ours helps it: there the C library gives memory back to the system after every
  operation, as it does in any process that does not say otherwise.

The ways take turns, `--repeats` times; shown are each one's best turn, and the median and quartiles
of the turns' ratios. Writes
`benchmarks/convolutions.csv`.
"""

import argparse
import logging
import multiprocessing
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from typing import Literal

import pytorch_lightning as pl
import torch
from timing import ratio, write
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from highways.config import NETWORKS, BudgetConfig, DataConfig, PicturesConfig, RunConfig
from highways.data import Pictures
from highways.data.pictures import contrasted
from highways.experiments.conv import recipe
from highways.nn import ConvNetwork
from highways.training import device as devices
from highways.training.execute import PRECISION
from highways.training.modules import ClassifierModule

BATCH, PAD = 100, 8


class UsualDataset(Dataset[tuple[Tensor, Tensor]]):
    """One image after the other: contrast, mean image, padding, crop, mirror."""

    def __init__(self, pictures: Pictures) -> None:
        self.pictures, self.mean = pictures, torch.zeros(pictures.shape)

    def __len__(self) -> int:
        return len(self.pictures.y["train"])

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        x = self.pictures.x["train"][index].float() / 255
        x = (x - x.mean()) / x.std() - self.mean
        x = functional.pad(x, (PAD, PAD, PAD, PAD))
        row, column = torch.randint(0, 2 * PAD + 1, (2,)).tolist()
        x = x[:, row : row + 32, column : column + 32]
        return x.flip(2) if torch.rand(()) < 0.5 else x, self.pictures.y["train"][index]


class UsualModule(pl.LightningModule):
    """The usual LightningModule."""

    def __init__(self, network: ConvNetwork) -> None:
        super().__init__()
        self.network = network

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Return the loss."""
        x, y = batch
        loss = functional.cross_entropy(self.network(x), y)
        self.log("train_loss", loss)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return SGD with Nesterov momentum."""
        return torch.optim.SGD(self.parameters(), lr=0.025, momentum=0.9, nesterov=True, weight_decay=1e-3)


class Clock(pl.Callback):
    """Notes when the training batches begin and end; the first ones, in which workers start, do not count."""

    def __init__(self, warmup: int) -> None:
        self.warmup, self.began, self.seconds, self.images = warmup, 0.0, 0.0, 0

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: object, batch_idx: int
    ) -> None:
        """Start the clock after the first batches."""
        if batch_idx == self.warmup:
            self._wait()
            self.began = time.perf_counter()

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *rest: object) -> None:
        """Count."""
        if self.began:
            self._wait()
            self.seconds = time.perf_counter() - self.began
            self.images += BATCH

    @staticmethod
    def _wait() -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()


def images_per_second(module: pl.LightningModule, loader: object, precision: Literal["32-true", "bf16-mixed"]) -> float:
    """Train for an epoch and return the images a second, the first six batches left out."""
    clock = Clock(warmup=6)
    trainer = pl.Trainer(
        accelerator="auto",
        devices=1,
        max_epochs=1,
        precision=precision,
        deterministic=precision == "32-true" and isinstance(module, ClassifierModule),  # as in training
        limit_val_batches=0,
        callbacks=[clock],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    trainer.fit(module, loader)  # type: ignore[arg-type]
    return clock.images / clock.seconds


def random_pictures(count: int, shown: PicturesConfig) -> Pictures:
    """Return random images of CIFAR-10's shape."""
    torch.manual_seed(0)
    images, labels = torch.randint(0, 256, (count, 3, 32, 32), dtype=torch.uint8), torch.randint(0, 10, (count,))
    pictures = Pictures(
        "cifar10", 10, "random", {"train": images, "test": images}, {"train": labels, "test": labels}, shown
    )
    return Pictures(**{**vars(pictures), "mean": contrasted(images, shown).mean(dim=0)})


def usual_images_per_second(name: str, count: int, threads: int, workers: int) -> float:
    """Train in the usual way, in a process of its own; return the images a second."""
    warnings.filterwarnings("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    torch.set_num_threads(threads)
    pictures = random_pictures(count, recipe("highway-b", "cifar10")[1])
    loader = DataLoader(UsualDataset(pictures), batch_size=BATCH, shuffle=True, num_workers=workers, drop_last=True)
    return images_per_second(UsualModule(ConvNetwork(NETWORKS[name], (3, 32, 32), 10)), loader, "32-true")


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="highway-a", help="a network of highways.config.conv.NETWORKS")
    parser.add_argument("--batches", type=int, default=24, help="batches a turn")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=devices.cores())
    parser.add_argument("--workers", type=int, default=2, help="worker processes of the usual way's DataLoader")
    arguments = parser.parse_args()

    devices.prepare(arguments.threads)
    warnings.filterwarnings("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    where = devices.resolve("auto")
    network, _, optimiser, _ = recipe(arguments.network, "cifar10")
    shown = recipe("highway-b", "cifar10")[1]
    count = BATCH * arguments.batches
    pictures = random_pictures(count, shown)
    ours = pictures.to(where)
    fast: Literal["float32", "bfloat16"] = "bfloat16" if where.type == "cuda" else "float32"

    def config(precision: str) -> RunConfig:
        return RunConfig(
            data=DataConfig(name="cifar10", pictures=shown),
            network=network,
            optimiser=optimiser,
            budget=BudgetConfig(epochs=1, batch_size=BATCH),
            precision=precision,  # type: ignore[arg-type]
        )

    rates: dict[str, list[float]] = {"ours": [], "float32": [], "usual": []}
    for _ in range(arguments.repeats):
        for way, precision in {"ours": fast, "float32": "float32"}.items():
            if way == "float32" and fast == "float32":
                continue
            module = ClassifierModule(config(precision), "key", ours, lambda event: None)
            rates[way].append(images_per_second(module, module.train_dataloader(), PRECISION[precision]))
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            way = (arguments.network, count, arguments.threads, arguments.workers)
            rates["usual"].append(pool.submit(usual_images_per_second, *way).result())
    rates["float32"] = rates["float32"] or rates["ours"]
    row = {
        "network": arguments.network,
        "batch_size": BATCH,
        "device": torch.cuda.get_device_name(where) if where.type == "cuda" else "cpu",
        "threads": arguments.threads,
        "precision": fast,
        "ours_images_per_second": round(max(rates["ours"]), 1),
        "float32_images_per_second": round(max(rates["float32"]), 1),
        "usual_images_per_second": round(max(rates["usual"]), 1),
        **ratio("times_usual", rates["ours"], rates["usual"]),
    }
    print("  ".join(f"{name} {value}" for name, value in row.items()), flush=True)
    write(__file__, [row])


if __name__ == "__main__":
    main()
