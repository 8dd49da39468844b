"""MLflow's page: an experiment's views (the runs, columns and charts that it opens with), their links, and the server.

MLflow stores the entries of its "Views" menu as experiment tags, `mlflow.sharedViewState.<KEY>`: a name, two times and
a state in compressed JSON. `?viewStateShareKey=<KEY>` opens a view. Source: the page of MLflow 3.17.2.
"""

import base64
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from highways.config.profiles import EXPLORE
from highways.errors import HighwaysError, printable
from highways.tracking.mlflow_runs import BEST, BEST_LOSS, NOTE
from highways.tracking.mlflow_store import asking, connect, where

HOST = "127.0.0.1"
PREFIX = "mlflow.sharedViewState."
_PAGE = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
"""The page's default state of a view and of a chart."""
_CHARTS = [
    _PAGE["chart"] | {"uuid": metric, "scaleType": scale, "metricKey": metric, "selectedMetricKeys": [metric]}
    for metric, scale in _PAGE["lines"]
]


def views(profile: str, runs: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return the views of a profile's runs as tags of the experiment, given the runs' tags `network` and `depth`.

    The page lists at most 40 views per experiment, so only the eight deepest depths have their own.
    """
    networks: dict[str, set[str]] = defaultdict(set)
    for tags in runs:
        networks[tags["depth"]].add(tags["network"])
    if not networks:
        return {}
    of_profile = f"tags.profile = '{profile}' and tags.kind = 'run'"
    best = f"{of_profile} and tags.{BEST} = 'true'"
    found = {
        profile: _view(f"{profile}: the best run of each network", best),
        f"{profile}-all": _view(f"{profile}: all runs, by network and depth", of_profile, ("network", "depth")),
    }
    for depth in sorted((depth for depth, kinds in networks.items() if len(kinds) > 1), reverse=True)[:8]:
        names = sorted(networks[depth])
        first = [one for kind in ("plain", "highway") for one in [one for one in names if one.startswith(kind)][:1]]
        against = " against ".join(list(dict.fromkeys([*first, *names]))[:2])
        others = f" and {len(names) - 2} more" if len(names) > 2 else ""
        name = f"{profile}: {against}{others}, depth {int(depth)}, loss over epochs"
        found[f"{profile}-d{int(depth)}"] = _view(name, f"{best} and tags.depth = '{depth}'")
    return {PREFIX + key: view for key, view in found.items()}


def _view(name: str, condition: str, group: Sequence[str] = ()) -> str:
    """Return a view, encoded for a tag, of the runs that meet a condition, grouped by the values of some tags.

    Charts show the lowest value of a group at every epoch.
    """
    keys = [{"mode": "tag", "groupByData": tag} for tag in group]
    state = _PAGE["view"] | {
        "searchFilter": condition,
        "compareRunCharts": _CHARTS,
        "groupBy": {"aggregateFunction": "min", "groupByKeys": keys} if keys else None,
    }
    packed = base64.b64encode(zlib.compress(json.dumps(state).encode(), level=9)).decode()
    return json.dumps({"name": name, "createdAt": 0, "updatedAt": 0, "state": f"deflate;{packed}"})


def links(server: str, experiment_id: str, tags: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return names and addresses of an experiment's views, relative to the page if `server` is empty.

    `weekend` comes first and `explore` last; within a profile: depths, the deepest first, then best runs, then all.
    """

    def place(key: str) -> tuple[int, str, int]:
        profile, rest, depth = re.fullmatch(r"(?s)(.*?)(-all|-d(\d+))?", key).groups()  # type: ignore[union-attr]
        return {"weekend": 0, EXPLORE: 2}.get(profile, 1), profile, -int(depth) if depth else bool(rest)

    names: dict[str, str] = {}
    for tag, view in tags.items():
        with contextlib.suppress(ValueError, KeyError, TypeError):  # a view shared from within the page has no name
            if tag.startswith(PREFIX):
                names[tag.removeprefix(PREFIX)] = json.loads(view)["name"]
    page = f"{server}#/experiments/{experiment_id}/runs?workflowType=machine_learning&compareRunsMode=CHART"
    return [(names[key], f"{page}&viewStateShareKey={quote(key)}") for key in sorted(names, key=place)]


def experiment_tags(title: str, name: str, experiment_id: str, tags: Mapping[str, str]) -> dict[str, str]:
    """Return an experiment's note, title and primary metric as tags, given its present `tags`, including views.

    `title` describes the experiment in one line; it is empty if unknown.
    """
    title = title or tags.get("highways.title", name)
    shown = [f"[{view}]({url})" for view, url in links("", experiment_id, tags)]
    lines = [
        f"{title}: {', '.join(shown[:2])}" if shown else title,  # the first line is visible at once
        "One parent run per profile (the sweep), one child per run. The project's own page: "
        f"`results/<profile>/{name}/README.md`.",
    ]
    if shown:
        lines += ["Views, also in the menu above:", "\n".join(f"- {link}" for link in shown)]
    return {
        "mlflow.experiment.primaryMetric.name": BEST_LOSS,
        "mlflow.experiment.primaryMetric.greaterIsBetter": "False",
        "highways.title": title,
        NOTE: "\n\n".join(lines),
    }


def serve(port: int = 5000) -> Iterator[str]:
    """Serve MLflow's page until interrupted; yield lines with links, the last of which is the one to start from.

    If the port is taken, the next free one is used.
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
    environment = os.environ | {"MLFLOW_BACKEND_STORE_URI": place.uri, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the server ends with this process
    # Its log would push the links off the screen.
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            while process.poll() is None and not _listens(chosen):
                time.sleep(0.2)
            if process.poll() is None:
                yield f"MLflow is served (Ctrl-C ends it); begin at\n  {first[0][2]}"
            why = f"`mlflow ui --port {chosen} --backend-store-uri {place.shown}` shows why"
            raise HighwaysError(f"MLflow's server ended by itself (exit status {process.wait()}): {why}")
        except KeyboardInterrupt:
            yield "MLflow's page is closed; all runs stay"
        finally:
            process.terminate()


def _listens(port: int) -> bool:
    """Return whether something on this machine listens on a port."""
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0
