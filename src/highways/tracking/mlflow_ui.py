"""MLflow's page, served for one person on this machine, and the links by which it opens on the right view."""

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

HOST, PORT = "127.0.0.1", 5000
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


def serve(port: int | None = None) -> Iterator[str]:
    """Serve MLflow's page until it is interrupted; yield lines with links, the last of them the one to begin with.

    Args:
        port: By default 5000; where it is taken, the next free one is used.

    Raises:
        HighwaysError: MLflow cannot be read, no port is free, or the server does not start.
    """
    wanted = port or PORT
    chosen = wanted if address.is_served() else free_port(wanted)
    if chosen != wanted:
        yield f"port {wanted} is taken"
    server = address.shown_uri() if address.is_served() else f"http://{HOST}:{chosen}"
    found = read_links(server)
    lines = [printable(f"{link.experiment}, {link.name}") + f"\n  {link.url}" for link in first_links(found)]
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
        _wait(process, f"{server}/health")
        yield from lines
        begin = next((link for link in found if link.compares), found[0])
        yield f"MLflow is served (Ctrl-C ends it); begin at\n  {begin.url}"
        raise HighwaysError(f"MLflow's server ended by itself (exit status {process.wait()})")
    except KeyboardInterrupt:
        yield "MLflow's page is closed; all runs stay"
    finally:
        process.terminate()
        process.wait()


def _wait(process: subprocess.Popen[bytes], url: str) -> None:
    """Wait until the server answers, asking it without a proxy.

    Raises:
        HighwaysError: It ends, or does not answer in time.
    """
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + STARTING_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with direct.open(url, timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    raise HighwaysError(
        f"MLflow's server does not answer at {url}: `mlflow ui --port {PORT} --backend-store-uri "
        f"{address.shown_uri()}` shows why"
    )
