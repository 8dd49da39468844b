"""What does the pipeline cost where there is nothing to train? Seconds of each stage, beside Python's own start.

Every stage is a process of its own, `--repeats` times in turns: the imports one by one, a notebook's kernel, and the
tables of a committed profile from its records. Writes `benchmarks/overhead.csv`.
"""

import argparse
import statistics
import subprocess
import sys

from timing import interleaved, seconds, write

KERNEL = """
from jupyter_client.manager import start_new_kernel
manager, client = start_new_kernel(kernel_name="python3")
client.execute_interactive("1 + 1")
client.stop_channels()
manager.shutdown_kernel(now=True)
"""
TABLES = """
from highways.config.profiles import profile_path
from highways.experiments import EXPERIMENTS
for experiment in EXPERIMENTS:
    if experiment.tables:
        study = experiment.of("laptop")
        for table in experiment.tables:
            table.texts(study.records())
"""
STAGES = {
    "python": "pass",
    "import torch": "import torch",
    "import torch, lightning": "import torch, pytorch_lightning",
    "import mlflow": "import mlflow",
    "import highways.experiments": "import highways.experiments",
    "a notebook's kernel": KERNEL,
    "all tables of laptop from its records": TABLES,
}
"""What is run, by what it is called."""


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()

    def stage(code: str) -> float:
        command = [sys.executable, "-W", "ignore", "-c", code]
        return seconds(lambda: subprocess.run(command, check=True, capture_output=True))

    found = interleaved({name: lambda code=code: stage(code) for name, code in STAGES.items()}, arguments.repeats)
    rows = []
    for name, times in found.items():
        rows.append(
            {"stage": name, "seconds": round(statistics.median(times), 2), "seconds_least": round(min(times), 2)}
        )
        print("  ".join(f"{column} {value}" for column, value in rows[-1].items()), flush=True)
    write(__file__, rows)


if __name__ == "__main__":
    main()
