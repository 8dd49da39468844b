"""What does a GPU gain by fused steps of a population? Milliseconds and ratios, measured in one run.

Forty networks of the papers' depth study (highway layers of 50 units, plain ones of 71) take steps on 100 images of
MNIST's shape, random data, in three ways that take turns:

- `fused`: a few kernels for all layers, recorded as a CUDA graph (`highways.nn.fused`);
- `operations`: one torch operation after the other, as on a CPU (`HIGHWAYS_FUSED=0`);
- `loop`: a plain PyTorch loop, autograd and `optim.SGD`, one network after the other; one network is measured, and
  its time taken forty times.

Shown are each way's best turn, and the median and quartiles of the turns' ratios. Writes `benchmarks/fused.csv`;
where there is no GPU it says so.
"""

import argparse
import os
from collections.abc import Callable

import torch
from timing import interleaved, ratio, seconds, write
from torch.nn import functional

from highways.config import BudgetConfig, DataConfig, DenseConfig, RunConfig, SGDConfig
from highways.data import Images
from highways.nn import DenseNetwork
from highways.nn.population import SWITCH
from highways.training import device as devices
from highways.training.together import PopulationModule

BATCH, FEATURES, CLASSES = 100, 784, 10
WIDTHS = {"highway": 50, "plain": 71}


def run_of(kind: str, depth: int, seed: int) -> RunConfig:
    """Return a run of the depth study."""
    bias = -2.0 if kind == "highway" else None
    return RunConfig(
        data=DataConfig(name="mnist"),
        network=DenseConfig(kind=kind, depth=depth, width=WIDTHS[kind], transform_bias=bias),  # type: ignore[arg-type]
        optimiser=SGDConfig(learning_rate=0.01, momentum=0.9),
        budget=BudgetConfig(epochs=1, batch_size=BATCH),
        seed=seed,
    )


def population_steps(kind: str, depth: int, trials: int, data: Images, fused: bool) -> Callable[[int], None]:
    """Return a function that takes a number of steps of all trials."""
    configs = [run_of(kind, depth, seed) for seed in range(trials)]
    module = PopulationModule(configs, [str(n) for n in range(trials)], data, lambda event: None).to(data.device)

    def steps(count: int) -> None:
        os.environ[SWITCH] = str(int(fused))
        for index in range(count):
            rows = slice(BATCH * index, BATCH * (index + 1))
            module.training_step((data.x["train"][rows], data.y["train"][rows]), index)
        torch.cuda.synchronize()

    return steps


def loop_steps(kind: str, depth: int, data: Images) -> Callable[[int], None]:
    """Return a function that takes a number of steps of one network."""
    network = DenseNetwork(run_of(kind, depth, 0).network, FEATURES, CLASSES).to(data.device)  # type: ignore[arg-type]
    optimiser = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)

    def steps(count: int) -> None:
        for index in range(count):
            rows = slice(BATCH * index, BATCH * (index + 1))
            optimiser.zero_grad()
            functional.cross_entropy(network(data.x["train"][rows]), data.y["train"][rows]).backward()
            optimiser.step()
        torch.cuda.synchronize()

    return steps


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--depths", type=int, nargs="+", default=[10, 50, 100])
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20, help="steps a turn; the ways that are slower take fewer")
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        print("no CUDA device: nothing to measure")
        return

    devices.prepare(devices.cores())
    torch.use_deterministic_algorithms(True)  # as in training
    torch.manual_seed(0)
    count, device = BATCH * arguments.steps, torch.device("cuda")
    x, y = torch.rand(count, FEATURES, device=device), torch.randint(0, CLASSES, (count,), device=device)
    data = Images("mnist", CLASSES, "random", x, y, x, y)
    few = max(1, arguments.steps // 5)

    rows = []
    for kind, width in WIDTHS.items():
        for depth in arguments.depths:
            ways = {
                "fused": (population_steps(kind, depth, arguments.trials, data, fused=True), arguments.steps),
                "operations": (population_steps(kind, depth, arguments.trials, data, fused=False), few),
                "loop": (loop_steps(kind, depth, data), few),
            }
            for steps, _ in ways.values():
                steps(3)  # one for the kernels, one for the recording
            rates = interleaved(
                {way: lambda steps=steps, n=n: n / seconds(lambda: steps(n)) for way, (steps, n) in ways.items()},
                arguments.repeats,
            )
            rates["loop"] = [rate / arguments.trials for rate in rates["loop"]]
            row = {"network": kind, "width": width, "depth": depth, "trials": arguments.trials}
            row |= {f"{way}_milliseconds": round(1e3 / max(turns), 3) for way, turns in rates.items()}
            row |= ratio("times_operations", rates["fused"], rates["operations"])
            row |= ratio("times_loop", rates["fused"], rates["loop"])
            row["device"] = torch.cuda.get_device_name(device)
            rows.append(row)
            print("  ".join(f"{name} {value}" for name, value in row.items()), flush=True)
    write(__file__, rows)


if __name__ == "__main__":
    main()
