"""MLflow's page, served for one person on this machine, and the links by which it opens on the right view."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

from highways.errors import HighwaysError, printable
from highways.tracking import mlflow_address as address
from highways.tracking.mlflow_store import asking, connect
from highways.tracking.mlflow_views import links

HOST, PORT = "127.0.0.1", 5000
STARTING_S = 120.0
"""Longest start of the server."""


def serve(port: int | None = None) -> Iterator[str]:
    """Serve MLflow's page until it is interrupted; yield lines with links, the last of them the one to begin with.

    Where the port is taken, by default 5000, the next free one is used.
    """
    first = port or PORT
    last = min(first + 20, 65536) - 1
    chosen = next((one for one in range(first, last + 1) if address.is_served() or not _listens(one)), None)
    if chosen is None:
        raise HighwaysError(f"ports {first} to {last} of {HOST} are taken; make ui PORT=... names another")
    if chosen != first:
        yield f"port {first} is taken"
    server = address.shown_uri() if address.is_served() else f"http://{HOST}:{chosen}"
    with asking():
        experiments = sorted(connect().search_experiments(), key=lambda one: one.name)
    found = [links(server, one.name, one.experiment_id, one.tags)[:1] for one in experiments]
    first_views = [link for links_of_one in found for link in links_of_one]
    if not first_views:
        raise HighwaysError("MLflow has no views yet; `highways tracking rebuild` makes them")
    lines = [printable(f"{link.experiment}, {link.name}") + f"\n  {link.url}" for link in first_views]
    if address.is_served():
        yield from lines
        return
    command = [sys.executable, "-m", "mlflow", "ui", "--host", HOST, "--port", str(chosen), "--workers", "1"]
    environment = {"MLFLOW_DISABLE_TELEMETRY": "true"} | os.environ
    environment |= {"MLFLOW_BACKEND_STORE_URI": address.tracking_uri(), "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the server ends with this process
    # Its log would push the links off the screen.
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + STARTING_S
        while not _listens(chosen):
            if process.poll() is not None or time.monotonic() > deadline:
                why = f"`mlflow ui --port {PORT} --backend-store-uri {address.shown_uri()}` shows why"
                raise HighwaysError(f"MLflow's server does not answer at {server}: {why}")
            time.sleep(0.2)
        yield from lines
        yield f"MLflow is served (Ctrl-C ends it); begin at\n  {first_views[0].url}"
        raise HighwaysError(f"MLflow's server ended by itself (exit status {process.wait()})")
    except KeyboardInterrupt:
        yield "MLflow's page is closed; all runs stay"
    finally:
        process.terminate()
        process.wait()


def _listens(port: int) -> bool:
    """Return whether something on this machine listens on a port."""
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0
