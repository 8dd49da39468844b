"""How much faster are all lesions together than one after the other? A ratio, measured in one run.

A highway network of 50 layers of 50 units, with random weights, on random images of MNIST's shape; both ways
give the same numbers, which is checked:

- `together`: `highways.inside.lesions.lesions`;
- `passes`: one pass over the data for each of the 49 lesions and one without, the same batches.

The ways take turns, `--repeats` times; shown are each one's best turn, and the median and quartiles of
the turns' ratios. Writes `benchmarks/lesions.csv`.
"""

import argparse
import time
from collections.abc import Callable

import torch
from timing import ratio, write

from highways.config import DenseConfig
from highways.data.batches import Batches
from highways.data.images import EVALUATION_BATCH
from highways.inside.lesions import lesions, lesions_one_by_one
from highways.nn import DenseNetwork
from highways.training import device as devices

Outcome = dict[str, torch.Tensor]


def timed(way: Callable[..., Outcome], network: DenseNetwork, batches: Batches) -> tuple[float, Outcome]:
    """Return seconds and outcome."""
    began = time.perf_counter()
    found = way(network, batches)
    return time.perf_counter() - began, found


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--depth", type=int, default=50)
    parser.add_argument("--width", type=int, default=50)
    parser.add_argument("--examples", type=int, default=5_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=devices.cores())
    arguments = parser.parse_args()

    devices.prepare(arguments.threads)
    torch.manual_seed(0)
    where = devices.resolve("auto")
    config = DenseConfig(kind="highway", depth=arguments.depth, width=arguments.width, transform_bias=-2.0)
    network = DenseNetwork(config, 784, 10).to(where)
    x, y = torch.rand(arguments.examples, 784), torch.randint(0, 10, (arguments.examples,))
    batches = Batches(x.to(where), y.to(where), EVALUATION_BATCH)
    times: dict[str, list[float]] = {"together": [], "passes": []}
    for _ in range(arguments.repeats):
        outcomes = {}
        for name, way in (("together", lesions), ("passes", lesions_one_by_one)):
            seconds, outcomes[name] = timed(way, network, batches)
            times[name].append(seconds)
        gap = (outcomes["together"]["cross_entropy"] - outcomes["passes"]["cross_entropy"]).abs().max().item()
        assert gap < 1e-6, f"the two ways differ by {gap}"
    row = {
        "depth": arguments.depth,
        "width": arguments.width,
        "examples": arguments.examples,
        "device": torch.cuda.get_device_name(where) if where.type == "cuda" else "cpu",
        "threads": arguments.threads,
        "together_seconds": round(min(times["together"]), 3),
        "passes_seconds": round(min(times["passes"]), 3),
        **ratio("times_passes", times["passes"], times["together"]),
    }
    print("  ".join(f"{name} {value}" for name, value in row.items()), flush=True)
    write(__file__, [row])


if __name__ == "__main__":
    main()
