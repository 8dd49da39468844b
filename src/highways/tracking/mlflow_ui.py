"""MLflow's page, served for one person on this machine, and the links by which it opens on what is wanted."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from urllib.error import URLError
from urllib.request import urlopen

from highways.errors import HighwaysError
from highways.tracking import mlflow_address as address
from highways.tracking.mlflow_read import read_experiments
from highways.tracking.mlflow_views import Link, links

HOST = "127.0.0.1"
PORT = 5000
TRIED = 20
"""Ports that are tried, one after another."""
STARTING_S = 120.0
"""What the server's start may take."""


def free_port(wanted: int = PORT) -> int:
    """Return a port that nothing listens on: the wanted one, or the next.

    Raises:
        HighwaysError: All that were tried are taken.
    """
    last = min(wanted + TRIED, 65536)
    for port in range(wanted, last):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise HighwaysError(f"ports {wanted} to {last - 1} of {HOST} are taken; make ui PORT=... names another")


def read_links(server: str | None = None) -> list[Link]:
    """Return links to the views of all experiments.

    Args:
        server: Address of the server that will show them; by default the one that holds the runs, or `make ui`'s.

    Raises:
        HighwaysError: MLflow cannot be read.
    """
    if server is None:
        server = address.shown_uri() if address.is_served() else f"http://{HOST}:{PORT}"
    return links(server, read_experiments())


def shown_links(found: list[Link], everything: bool = False) -> Iterator[str]:
    """Say where views open, line by line.

    Args:
        found: The links.
        everything: Also those of all runs and of further depths.
    """
    experiment, compared = "", set()
    for link in found:
        profile, _, what = link.name.partition(": ")
        place, is_comparison = (link.experiment, profile), " against " in what
        if not everything and (what.startswith("all runs") or (is_comparison and place in compared)):
            continue
        if is_comparison:
            compared.add(place)
        if link.experiment != experiment:
            experiment = link.experiment
            yield experiment
        yield f"  {link.name}"
        yield f"    {link.url}"


def serve(port: int | None = None) -> Iterator[str]:
    """Serve MLflow's page until it is interrupted, and say where it is and what it opens on.

    Args:
        port: By default 5000. Where it is taken, the next that is free is used, which is said.

    Raises:
        HighwaysError: MLflow cannot be read, none of the next ports is free, or the server does not start.
    """
    if address.is_served():
        yield f"MLflow is served at {address.shown_uri()}"
        yield from shown_links(read_links())
        return
    chosen = free_port(PORT if port is None else port)
    if chosen != (PORT if port is None else port):
        yield f"port {PORT if port is None else port} is taken"
    server = f"http://{HOST}:{chosen}"
    found = read_links(server)
    command = [sys.executable, "-m", "mlflow", "ui", "--host", HOST, "--port", str(chosen), "--workers", "1"]
    environment = os.environ | {
        "MLFLOW_BACKEND_STORE_URI": address.tracking_uri(),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": os.environ.get("MLFLOW_DISABLE_TELEMETRY", "true"),
    }
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the server ends with this process
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        _wait(process, server)
        yield from shown_links(found)
        yield f"MLflow is at {server}/#/experiments?workflowType=machine_learning (Ctrl-C ends it)"
        assert process.stderr is not None
        for _ in process.stderr:  # its log, which would push the links off the screen
            pass
        raise HighwaysError(f"MLflow's server ended by itself (exit status {process.wait()})")
    except KeyboardInterrupt:
        yield "MLflow's page is closed; all runs stay"
    finally:
        process.terminate()
        process.wait()


def _wait(process: subprocess.Popen[str], server: str) -> None:
    """Wait until the server answers.

    Raises:
        HighwaysError: It ends, or does not answer in time.
    """
    deadline = time.monotonic() + STARTING_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            assert process.stderr is not None
            lines = [line for line in process.stderr.read().strip().splitlines() if line.strip()]
            raise HighwaysError(f"MLflow's server does not start: {address.redacted(lines[-1]) if lines else ''}")
        try:
            with urlopen(f"{server}/health", timeout=2):
                return
        except (URLError, OSError):
            time.sleep(0.2)
    raise HighwaysError(f"MLflow's server at {server} does not answer after {STARTING_S:g} s")
