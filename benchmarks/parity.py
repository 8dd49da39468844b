"""How much faster is the network written from scratch when its loop over examples is one product? A ratio.

The gradient of the network of `09_l2_parity` on the digits, as its source computes it, example by example, and
vectorised, `--repeats` times in turns. Writes `benchmarks/parity.csv`.
"""

import argparse

from timing import ratio, write

from highways.experiments.l2_parity import Parity
from highways.training import device as devices


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=1_000)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()

    devices.prepare(1)
    study = Parity(data="digits", examples=arguments.examples, steps=1, loop_examples=arguments.examples)
    turns = [study.measure() for _ in range(arguments.repeats)]
    loop, vectorised = ([float(turn[f"{name}_seconds"]) for turn in turns] for name in ("loop", "vectorised"))
    row: dict[str, object] = {
        "examples": arguments.examples,
        "threads": 1,
        "vectorised_milliseconds": round(1e3 * min(vectorised), 3),
        "loop_milliseconds": round(1e3 * min(loop), 1),
    }
    row |= ratio("times_loop", loop, vectorised)
    print("  ".join(f"{name} {value}" for name, value in row.items()), flush=True)
    write(__file__, [row])


if __name__ == "__main__":
    main()
