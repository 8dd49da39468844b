"""What does the engine `ray` lose beside `local`, on two cores of one machine? A ratio, its start apart.

The same populations of the digits, two processes of one thread each, by both engines in turns, `--repeats` times, each
time in a project of its own. A turn's time is from the first epoch's end to the last one's, so that the start of
processes and of Ray does not count; it is shown beside it. Where Ray is not installed, or there is no such engine, that
is said, and nothing is written. Writes `benchmarks/engines.csv`.
"""

import argparse
import importlib.util
import os
import tempfile
import time
import warnings
from pathlib import Path

from timing import ratio, write

from highways import paths
from highways.config import BudgetConfig, DataConfig, DenseConfig, RunConfig, SGDConfig
from highways.errors import HighwaysError
from highways.tracking.events import EpochEnded, Event
from highways.training import sweep


def configs(trials: int, epochs: int) -> list[RunConfig]:
    """Return populations of four depths, as the quick depth study has."""
    return [
        RunConfig(
            data=DataConfig(name="digits"),
            network=DenseConfig(kind="highway", depth=depth, width=50, transform_bias=-2.0),
            optimiser=SGDConfig(learning_rate=0.01, momentum=0.9),
            budget=BudgetConfig(epochs=epochs, batch_size=20),
            seed=seed,
        )
        for depth in (10, 20, 50, 100)
        for seed in range(trials)
    ]


def trained(engine: str, runs: list[RunConfig]) -> tuple[float, float]:
    """Train runs in a project of their own; return run epochs a second, and the seconds before the first one's end."""
    ends: list[float] = []

    def listen(event: Event) -> None:
        if isinstance(event, EpochEnded):
            ends.append(time.perf_counter())

    here = paths.root()
    with tempfile.TemporaryDirectory(prefix="highways-bench-") as name:
        for entry in ("profiles", "references", "data", "dvc.yaml", "params.yaml"):
            (Path(name) / entry).symlink_to(here / entry)
        os.environ["HIGHWAYS_ROOT"] = name
        try:
            began = time.perf_counter()
            place = {"experiment": "bench", "profile": "bench", "mlflow": False, "device": "cpu"}
            sweep(runs, engine=engine, workers=2, threads=1, on_event=listen, **place)  # type: ignore[arg-type]
        finally:
            os.environ["HIGHWAYS_ROOT"] = str(here)
    return sum(run.budget.epochs for run in runs) / (ends[-1] - ends[0]), ends[0] - began


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()

    if importlib.util.find_spec("ray") is None:
        print("ray is not installed: the engines are not compared")
        return
    os.environ["HIGHWAYS_PROGRESS"] = "none"
    warnings.filterwarnings("ignore")
    runs = configs(arguments.trials, arguments.epochs)
    found: dict[str, list[tuple[float, float]]] = {"ray": [], "local": []}
    for _ in range(arguments.repeats):
        for engine, turns in found.items():
            try:
                turns.append(trained(engine, runs))
            except HighwaysError as error:
                print(f"the engines are not compared: {error}")
                return
    row: dict[str, object] = {"runs": len(runs), "epochs": arguments.epochs, "workers": 2, "threads": 1}
    for engine, turns in found.items():
        row[f"{engine}_run_epochs_per_second"] = round(max(rate for rate, _ in turns), 1)
        row[f"{engine}_start_seconds"] = round(min(start for _, start in turns), 1)
    row |= ratio("times_local", [rate for rate, _ in found["ray"]], [rate for rate, _ in found["local"]])
    print("  ".join(f"{name} {value}" for name, value in row.items()), flush=True)
    write(__file__, [row])


if __name__ == "__main__":
    main()
