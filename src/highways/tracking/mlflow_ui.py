"""MLflow's page, served for one person on this machine, and the links by which it opens on the right view."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

from highways.errors import HighwaysError, printable
from highways.tracking.mlflow_store import asking, connect, where
from highways.tracking.mlflow_views import links

HOST = "127.0.0.1"


def serve(port: int = 5000) -> Iterator[str]:
    """Serve MLflow's page until it is interrupted; yield lines with links, the last of them the one to begin with.

    Where the port is taken the next free one is used.
    """
    place, ports = where(), range(port, min(port + 20, 65536))
    chosen = next((one for one in ports if place.is_served or not _listens(one)), None)
    if chosen is None:
        raise HighwaysError(f"ports {port} to {ports[-1]} of {HOST} are taken; make ui PORT=... names another")
    if chosen != port:
        yield f"port {port} is taken"
    server = f"{place.shown.rstrip('/')}/" if place.is_served else f"http://{HOST}:{chosen}/"
    with asking():
        experiments = sorted(connect().search_experiments(), key=lambda one: one.name)
    first = [(one.name, *view) for one in experiments for view in links(server, one.experiment_id, one.tags)[:1]]
    if not first:
        raise HighwaysError("MLflow has no views yet; `highways tracking rebuild` makes them")
    for experiment, view, url in first:
        yield printable(f"{experiment}, {view}") + f"\n  {url}"
    if place.is_served:
        return
    command = [sys.executable, "-m", "mlflow", "ui", "--host", HOST, "--port", str(chosen), "--workers", "1"]
    environment = {"MLFLOW_DISABLE_TELEMETRY": "true"} | os.environ
    environment |= {"MLFLOW_BACKEND_STORE_URI": place.uri, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the server ends with this process
    # Its log would push the links off the screen.
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            while process.poll() is None and not _listens(chosen):
                time.sleep(0.2)
            if process.poll() is None:
                yield f"MLflow is served (Ctrl-C ends it); begin at\n  {first[0][2]}"
            why = f"`mlflow ui --port {port} --backend-store-uri {place.shown}` shows why"
            raise HighwaysError(f"MLflow's server ended by itself (exit status {process.wait()}): {why}")
        except KeyboardInterrupt:
            yield "MLflow's page is closed; all runs stay"
        finally:
            process.terminate()


def _listens(port: int) -> bool:
    """Return whether something on this machine listens on a port."""
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0
