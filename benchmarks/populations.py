"""How much faster are trials trained as one population? Ratios, measured in one run.

Three ways to train the same highway networks (width 50, batch 100, MNIST's shape, random data):

- `population`: all trials at once, `highways.training.together.PopulationModule`'s step;
- `loop`: a plain PyTorch loop, one trial after the other (two Linear layers a block, optim.SGD);
- `lightning`: the usual way, a LightningModule, TensorDataset, DataLoader and Trainer a trial.

The ways take turns, `--repeats` times; shown are each one's best turn, and the median and quartiles of
the turns' ratios. A
trial a second is a trial's step, not its whole training. The peak is that of a product of two
1,500 x 1,500 matrices. Writes `benchmarks/populations.csv`.
"""

import argparse
import logging
import time
import warnings
from collections.abc import Callable

import pytorch_lightning as pl
import torch
from timing import interleaved, peak_gflops, ratio, seconds, write
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from highways.config import BudgetConfig, DataConfig, DenseConfig, RunConfig, SGDConfig
from highways.data import Images
from highways.training import device as devices
from highways.training.together import PopulationModule

WIDTH, BATCH, FEATURES, CLASSES = 50, 100, 784, 10


class Block(nn.Module):
    """The highway layer as one would write it down."""

    def __init__(self) -> None:
        super().__init__()
        self.h, self.t = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        nn.init.constant_(self.t.bias, -2.0)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(batch, width)` to itself."""
        t = torch.sigmoid(self.t(x))
        return torch.relu(self.h(x)) * t + x * (1 - t)


def plain_network(depth: int) -> nn.Sequential:
    """Return a highway network of `depth` layers."""
    blocks = (Block() for _ in range(depth - 1))
    return nn.Sequential(nn.Linear(FEATURES, WIDTH), nn.ReLU(), *blocks, nn.Linear(WIDTH, CLASSES))


class UsualModule(pl.LightningModule):
    """The usual LightningModule."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.network = plain_network(depth)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Return the loss."""
        x, y = batch
        loss = functional.cross_entropy(self.network(x), y)
        self.log("train_loss", loss)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return SGD with momentum."""
        return torch.optim.SGD(self.parameters(), lr=0.01, momentum=0.9)


def population_step(depth: int, trials: int, data: Images) -> Callable[[int], None]:
    """Return a function that takes a number of steps of all trials."""
    network = DenseConfig(kind="highway", depth=depth, width=WIDTH, transform_bias=-2.0)
    configs = [
        RunConfig(
            data=DataConfig(name="mnist"),
            network=network,
            optimiser=SGDConfig(learning_rate=0.01, momentum=0.9),
            budget=BudgetConfig(epochs=1, batch_size=BATCH),
            seed=seed,
        )
        for seed in range(trials)
    ]
    module = PopulationModule(configs, [str(i) for i in range(trials)], data, lambda event: None)

    def steps(count: int) -> None:
        for index in range(count):
            rows = slice(index * BATCH, (index + 1) * BATCH)
            module.training_step((data.x["train"][rows], data.y["train"][rows]), index)

    return steps


def loop_step(depth: int, data: Images) -> Callable[[int], None]:
    """Return a function that takes a number of steps of one trial."""
    network = plain_network(depth)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)

    def steps(count: int) -> None:
        for index in range(count):
            rows = slice(index * BATCH, (index + 1) * BATCH)
            optimiser.zero_grad()
            functional.cross_entropy(network(data.x["train"][rows]), data.y["train"][rows]).backward()
            optimiser.step()

    return steps


def lightning_seconds(depth: int, data: Images, steps: int) -> float:
    """Return the seconds of `steps` steps within a trainer's epoch, its set-up left out."""
    count = steps * BATCH
    loader = DataLoader(TensorDataset(data.x["train"][:count], data.y["train"][:count]), batch_size=BATCH, shuffle=True)
    times: list[float] = []

    class Clock(pl.Callback):
        def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
            times.append(time.perf_counter())

        def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
            times.append(time.perf_counter())

    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[Clock()],
    )
    trainer.fit(UsualModule(depth), loader)
    return times[1] - times[0]


def gflop_per_trial_step(depth: int) -> float:
    """Return the floating-point operations of the products of one step of one trial, forward and backward, 1e9."""
    blocks = 3 * 2 * (depth - 1) * 2 * WIDTH * WIDTH
    ends = 2 * 2 * FEATURES * WIDTH + 3 * 2 * WIDTH * CLASSES  # no gradient goes to the images
    return BATCH * (blocks + ends) / 1e9


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--depths", type=int, nargs="+", default=[50, 100])
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20, help="steps a turn; the population takes a fifth of them")
    parser.add_argument("--threads", type=int, default=devices.cores())
    arguments = parser.parse_args()

    devices.prepare(arguments.threads)
    warnings.filterwarnings("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    torch.manual_seed(0)
    count = BATCH * arguments.steps
    x, y = torch.rand(count, FEATURES), torch.randint(0, CLASSES, (count,))
    data = Images("mnist", CLASSES, "random", x, y, x, y)

    rows = []
    for depth in arguments.depths:
        population, loop = population_step(depth, arguments.trials, data), loop_step(depth, data)
        few = max(1, arguments.steps // 5)
        population(2)
        loop(2)
        rates = interleaved(
            {
                "peak": peak_gflops,
                "population": lambda step=population, few=few: arguments.trials * few / seconds(lambda: step(few)),
                "loop": lambda step=loop: arguments.steps / seconds(lambda: step(arguments.steps)),
                "lightning": lambda depth=depth: arguments.steps / lightning_seconds(depth, data, arguments.steps),
            },
            arguments.repeats,
        )
        best = {way: max(turns) for way, turns in rates.items()}
        gflops, peak = best["population"] * gflop_per_trial_step(depth), best["peak"]
        rows.append(
            {
                "depth": depth,
                "trials": arguments.trials,
                "threads": arguments.threads,
                "population_trial_steps_per_second": round(best["population"], 1),
                "loop_trial_steps_per_second": round(best["loop"], 1),
                "lightning_trial_steps_per_second": round(best["lightning"], 1),
                **ratio("times_loop", rates["population"], rates["loop"]),
                **ratio("times_lightning", rates["population"], rates["lightning"]),
                "population_gflop_per_second": round(gflops, 1),
                "peak_gflop_per_second": round(peak, 1),
                "share_of_peak": round(gflops / peak, 3),
            }
        )
        print("  ".join(f"{name} {value}" for name, value in rows[-1].items()), flush=True)
    write(__file__, rows)


if __name__ == "__main__":
    main()
