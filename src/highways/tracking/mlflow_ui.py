"""MLflow's page, served for one person on this machine, and the links by which it opens on the right view."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator

from highways.errors import HighwaysError, printable
from highways.tracking import mlflow_address as address
from highways.tracking.mlflow_store import connect, reading
from highways.tracking.mlflow_views import Link, first_links, links

HOST = "127.0.0.1"
PORT = 5000
STARTING_S = 120.0
"""Longest start of the server."""


def free_port(wanted: int = PORT) -> int:
    """Return a port that nothing listens on: the wanted one, or one of the next.

    Raises:
        HighwaysError: All of them are taken.
    """
    last = min(wanted + 20, 65536)
    for port in range(wanted, last):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if probe.connect_ex((HOST, port)):
                return port
    raise HighwaysError(f"ports {wanted} to {last - 1} of {HOST} are taken; make ui PORT=... names another")


def read_links(server: str) -> list[Link]:
    """Return links to the views of all experiments, at a server that shows them.

    Raises:
        HighwaysError: MLflow cannot be read, or has no views.
    """
    with reading():
        found = sorted(connect().search_experiments(), key=lambda one: one.name)
    shown = [link for one in found for link in links(server, one.name, one.experiment_id, one.tags)]
    if not shown:
        raise HighwaysError("MLflow has no views yet; `highways tracking rebuild` makes them")
    return shown


def _lines(found: list[Link]) -> Iterator[str]:
    """Yield lines that name one view per experiment."""
    for link in first_links(found):
        yield printable(f"{link.experiment}, {link.name}")  # on a shared server others named them
        yield f"  {link.url}"


def serve(port: int | None = None) -> Iterator[str]:
    """Serve MLflow's page until it is interrupted; yield lines with links, the last of them the one to begin with.

    Args:
        port: By default 5000; where it is taken, the next free one is used.

    Raises:
        HighwaysError: MLflow cannot be read, no port is free, or the server does not start.
    """
    if address.is_served():
        yield from _lines(read_links(address.shown_uri()))
        return
    if (chosen := free_port(port or PORT)) != (port or PORT):
        yield f"port {port or PORT} is taken"
    found = read_links(f"http://{HOST}:{chosen}")
    command = [sys.executable, "-m", "mlflow", "ui", "--host", HOST, "--port", str(chosen), "--workers", "1"]
    environment = {"MLFLOW_DISABLE_TELEMETRY": "true"} | os.environ
    environment |= {"MLFLOW_BACKEND_STORE_URI": address.tracking_uri(), "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the server ends with this process
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        _wait(process, f"http://{HOST}:{chosen}/health")
        yield from _lines(found)
        begin = next((link for link in found if link.compares), found[0])
        yield f"MLflow is served (Ctrl-C ends it); begin at\n  {begin.url}"
        for _ in process.stderr:  # its log would push the links off the screen
            pass
        raise HighwaysError(f"MLflow's server ended by itself (exit status {process.wait()})")
    except KeyboardInterrupt:
        yield "MLflow's page is closed; all runs stay"
    finally:
        process.terminate()
        process.wait()


def _wait(process: subprocess.Popen[str], url: str) -> None:
    """Wait until the server answers, asking it without a proxy.

    Raises:
        HighwaysError: It ends, or does not answer in time.
    """
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + STARTING_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            assert process.stderr is not None
            last = (process.stderr.read().strip().splitlines() or [""])[-1]
            raise HighwaysError(f"MLflow's server does not start: {address.redacted(last)}")
        try:
            with direct.open(url, timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    raise HighwaysError(f"MLflow's server does not answer at {url} after {STARTING_S:g} s")
