"""Trains a list of runs in a process of its own, for tests that kill it, hold it or start it twice: see `process`."""

import json
import os
import signal
import time
from pathlib import Path

from highways.training.modules import TrialsModule

start = TrialsModule.on_train_start


def dies(self: TrialsModule) -> None:
    """Let the first that trains die by the first signal in DIE, the first that trains after it by the second.

    Every worker imports this file as well, as `__mp_main__`.
    """
    for number in json.loads(os.environ["DIE"]):
        try:
            Path(os.environ["HIGHWAYS_ROOT"], f"died-{number}").touch(exist_ok=False)
        except FileExistsError:
            continue
        os.kill(os.getpid(), number)
    start(self)


TrialsModule.on_train_start = dies

if __name__ == "__main__":
    from highways.config import RunConfig
    from highways.tracking.events import EpochEnded, Event, Finished, Started
    from highways.training import run, sweep

    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    hold, log = Path(os.environ["HOLD"]), Path(os.environ["LOG"])

    def show(event: Event) -> None:
        keys = [event.record.run_key] if isinstance(event, Finished) else event.keys
        entry = [type(event).__name__, keys, getattr(event, "epoch", 0), getattr(event, "seconds", 0.0)]
        with log.open("a") as file:
            print(json.dumps(entry), file=file)
        if isinstance(event, Started):
            print("started", *event.keys, flush=True)
        while isinstance(event, EpochEnded) and hold.exists():
            time.sleep(0.1)

    configs = [RunConfig.model_validate(content) for content in json.loads(os.environ["CONFIGS"])]
    more = {"profile": os.environ["PROFILE"], "experiment": "e", "threads": 1, "mlflow": False, "on_event": show}
    workers = int(os.environ["WORKERS"])
    engine = os.environ["ENGINE"]
    records = sweep(configs, workers=workers, engine=engine, **more) if workers else [run(configs[0], **more)]
    print("records", *(record.weights_sha256 for record in records), flush=True)
