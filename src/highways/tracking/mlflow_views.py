"""Views of an experiment in MLflow's page: which runs, columns and charts it opens with, and the links to them.

MLflow keeps what its "Views" menu lists as tags of the experiment, `mlflow.sharedViewState.<KEY>`: a name, two times
and a state, which is compressed JSON. `?viewStateShareKey=<KEY>` opens one. Source: MLflow 3.17.2's page.
"""

import base64
import contextlib
import json
import re
import zlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from highways.config.profiles import EXPLORE
from highways.tracking.mlflow_runs import BEST, BEST_LOSS, NOTE

PREFIX = "mlflow.sharedViewState."
_PAGE = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
"""What the page keeps of every view, and of a chart."""
_CHARTS = [
    _PAGE["chart"] | {"uuid": metric, "scaleType": scale, "metricKey": metric, "selectedMetricKeys": [metric]}
    for metric, scale in _PAGE["lines"]
]


def views(profile: str, runs: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return the views of a profile's runs, given their tags `network` and `depth`, as tags of the experiment.

    The page lists at most 40 views of an experiment: the eight deepest depths have one of their own.
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
    """Return a view as the experiment's tag: of the runs that meet a condition, grouped by the values of some tags.

    Of a group, charts show the lowest value at every epoch.
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
    """Return names and addresses of an experiment's views, within the page where `server` is empty.

    Full schedules come first and trials last; of a profile the depths, the deepest first, the best runs, all runs.
    """

    def place(key: str) -> tuple[int, str, int]:
        profile, rest, depth = re.fullmatch(r"(?s)(.*?)(-all|-d(\d+))?", key).groups()  # type: ignore[union-attr]
        return {"weekend": 0, EXPLORE: 2}.get(profile, 1), profile, -int(depth) if depth else bool(rest)

    names: dict[str, str] = {}
    for tag, view in tags.items():
        with contextlib.suppress(ValueError, KeyError, TypeError):  # somebody shared it in the page: it has no name
            if tag.startswith(PREFIX):
                names[tag.removeprefix(PREFIX)] = json.loads(view)["name"]
    page = f"{server}#/experiments/{experiment_id}/runs?workflowType=machine_learning&compareRunsMode=CHART"
    return [(names[key], f"{page}&viewStateShareKey={quote(key)}") for key in sorted(names, key=place)]


def experiment_tags(title: str, name: str, experiment_id: str, tags: Mapping[str, str]) -> dict[str, str]:
    """Return an experiment's tags besides its views, which are among `tags`: its note and its primary metric.

    `title` is one line about it, empty where it is not known.
    """
    title = title or tags.get("highways.title", name)
    shown = [f"[{view}]({url})" for view, url in links("", experiment_id, tags)]
    lines = [
        f"{title}: {', '.join(shown[:2])}" if shown else title,  # what stands first is seen at once
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
