"""Views of an experiment in MLflow's page: which runs, columns and charts it opens with, and the links to them.

MLflow keeps what its "Views" menu lists as tags of the experiment, `mlflow.sharedViewState.<KEY>`: a name, two times
and a state, which is compressed JSON. `?viewStateShareKey=<KEY>` opens one. Source: MLflow 3.17.2's page.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from highways.tracking.mlflow_metrics import BEST_LOSS, TEST_ACCURACY
from highways.tracking.mlflow_notes import NOTE

PREFIX = "mlflow.sharedViewState."
BEST = "best"
"""Tag of a run: it is the best of its network, depth and data set; see `mlflow_metrics.best_of_cells`."""
COMPARED_DEPTHS = 8
"""Depths, the deepest first, that have a view of their own: the page lists at most 40 views of an experiment."""
_COLUMNS = ("tags.`network`", "tags.`depth`", "tags.`data`", f"metrics.`{BEST_LOSS}`", f"metrics.`{TEST_ACCURACY}`")
_LINES = (("train/cross_entropy", "log"), ("test/accuracy", "linear"), ("train/accuracy", "linear"))
_MORE_LINES = (("dev/accuracy", "linear"), ("test/cross_entropy", "log"))


@dataclass(frozen=True)
class View:
    """A view of an experiment.

    Attributes:
        key: In its address.
        name: In the page's menu.
        condition: Which runs it shows, in MLflow's language of searches.
        order: Column by which they are sorted.
        ascending: The lowest first.
        group: Tags by which runs are put together; of a group, charts show the lowest value at every epoch.
    """

    key: str
    name: str
    condition: str
    order: str = f"metrics.`{BEST_LOSS}`"
    ascending: bool = True
    group: tuple[str, ...] = ()

    def state(self) -> dict[str, Any]:
        """Return what the page keeps of a view."""
        section = f"{self.key}-epochs"
        charts = [_line(self.key, section, *line) for line in (*_LINES, *_MORE_LINES)]
        grouped = [{"mode": "tag", "groupByData": tag} for tag in self.group]
        return {
            "searchFilter": self.condition,
            "orderByKey": self.order,
            "orderByAsc": self.ascending,
            "startTime": "ALL",
            "lifecycleFilter": "Active",
            "datasetsFilter": [],
            "modelVersionFilter": "All Runs",
            "selectedColumns": list(_COLUMNS),
            "columnOrder": list(_COLUMNS),
            "columnWidths": {},
            "runsHiddenMode": "FIRST_20_RUNS",
            "compareRunCharts": charts,
            "compareRunSections": [_section(section, "Over the epochs")],
            "isAccordionReordered": True,
            "viewMaximized": False,
            "runListHidden": False,
            "groupBy": {"aggregateFunction": "min", "groupByKeys": grouped} if grouped else None,
            "groupsExpanded": {},
            "useGroupedValuesInCharts": True,
            "hideEmptyCharts": True,
            "globalLineChartConfig": {"xAxisKey": "step", "lineSmoothness": 0, "selectedXAxisMetricKey": ""},
            "chartsSearchFilter": "",
        }

    def tag(self) -> str:
        """Return the value of the experiment's tag."""
        packed = zlib.compress(json.dumps(self.state()).encode(), level=9)
        state = f"deflate;{base64.b64encode(packed).decode()}"
        return json.dumps({"name": self.name, "createdAt": 0, "updatedAt": 0, "state": state})


def _section(uuid: str, name: str) -> dict[str, Any]:
    return {"uuid": uuid, "name": name, "display": True, "isReordered": True, "deleted": False, "isGenerated": False}


def _line(key: str, section: str, metric: str, scale: str) -> dict[str, Any]:
    return {
        "type": "LINE",
        "uuid": f"{key}-{metric}",
        "metricSectionId": section,
        "deleted": False,
        "isGenerated": False,
        "runsCountToCompare": 10,
        "metricKey": metric,
        "selectedMetricKeys": [metric],
        "lineSmoothness": 0,
        "xAxisScaleType": "linear",
        "scaleType": scale,
        "range": {},
        "xAxisKey": "step",
        "selectedXAxisMetricKey": "",
        "yAxisKey": "metric",
        "yAxisExpressions": [],
        "ignoreOutliers": False,
        "useGlobalXaxisKey": True,
        "useGlobalLineSmoothing": True,
    }


def views(profile: str, runs: Iterable[Mapping[str, str]]) -> list[View]:
    """Return the views of an experiment's runs of one profile, the first the one that it is opened with.

    Args:
        profile: Name of the profile.
        runs: Tags of its runs: `network` and `depth`.
    """
    of_profile = f"tags.profile = '{profile}' and tags.kind = 'run'"
    networks: dict[str, set[str]] = {}
    for tags in runs:
        networks.setdefault(tags["depth"], set()).add(tags["network"])
    if not networks:
        return []
    best = f"{of_profile} and tags.{BEST} = 'true'"
    found = [
        View(profile, f"{profile}: the best run of each network", best),
        View(f"{profile}-all", f"{profile}: all runs, by network and depth", of_profile, group=("network", "depth")),
    ]
    compared = sorted((depth for depth, kinds in networks.items() if len(kinds) > 1), reverse=True)
    for depth in compared[:COMPARED_DEPTHS]:
        against = " against ".join(_opponents(networks[depth]))
        others = f" and {len(networks[depth]) - 2} more" if len(networks[depth]) > 2 else ""
        found.append(
            View(
                f"{profile}-d{int(depth)}",
                f"{profile}: {against}{others}, depth {int(depth)}, loss over epochs",
                f"{best} and tags.depth = '{depth}'",
            )
        )
    return found


def _opponents(networks: Iterable[str]) -> list[str]:
    """Return two networks to name a comparison by: a plain one and a highway network, where there are such."""
    names = sorted(networks)
    plain = [name for name in names if name.startswith("plain")][:1]
    highway = [name for name in names if name.startswith("highway")][:1]
    return list(dict.fromkeys([*plain, *highway, *names]))[:2]


def address(server: str, experiment_id: str, key: str) -> str:
    """Return the address at which a server's page opens a view: charts beside the list of runs."""
    query = f"workflowType=machine_learning&viewStateShareKey={quote(key)}&compareRunsMode=CHART"
    return f"{server.rstrip('/') + '/' if server else ''}#/experiments/{experiment_id}/runs?{query}"


@dataclass(frozen=True)
class Link:
    """A link to a view.

    Attributes:
        experiment: Name of the experiment.
        name: Of the view.
        url: Where it opens.
    """

    experiment: str
    name: str
    url: str


def links(server: str, experiments: Iterable[Any]) -> list[Link]:
    """Return links to all views of some experiments, each experiment's in the order in which `views` gives them.

    Args:
        server: Address of the server that shows them, such as `http://127.0.0.1:5000`; empty for links within it.
        experiments: As MLflow's client gives them.
    """
    found = []
    for experiment in sorted(experiments, key=lambda experiment: experiment.name):
        keys = [name.removeprefix(PREFIX) for name in experiment.tags if name.startswith(PREFIX)]
        for key in sorted(keys, key=_place):
            try:
                name = json.loads(experiment.tags[PREFIX + key])["name"]
            except (ValueError, KeyError, TypeError):
                continue  # a link of an earlier MLflow's, which has no name
            found.append(Link(experiment.name, name, address(server, experiment.experiment_id, key)))
    return found


def _place(key: str) -> tuple[str, int, int]:
    """Sort a profile's first view before that of all its runs, and both before the depths, the deepest first."""
    profile, dash, rest = key.rpartition("-")
    if not dash:
        return key, 0, 0
    depth = rest.removeprefix("d")
    return profile, 1 + depth.isdigit(), -int(depth) if depth.isdigit() else 0


def experiment_tags(
    title: str, name: str, experiment_id: str, profile: str, found: Sequence[View], there: Mapping[str, str]
) -> dict[str, str]:
    """Return the tags of an experiment that are missing or old: its views, its note, its primary metric.

    Args:
        title: What the experiment is about, on one line; empty where it is not known.
        name: Of the experiment.
        experiment_id: MLflow's.
        profile: Of the views.
        found: The profile's views.
        there: The tags that it has; those of other profiles' views stay.
    """
    tags = {PREFIX + view.key: view.tag() for view in found}
    tags["mlflow.experiment.primaryMetric.name"] = BEST_LOSS
    tags["mlflow.experiment.primaryMetric.greaterIsBetter"] = "False"
    if title:
        tags["highways.title"] = title
    shown = links("", [_Known(name, experiment_id, {**there, **tags})])
    compared = [link for link in shown if " against " in link.name][:2]  # what stands first is seen at once
    first = ", ".join(f"[{link.name}]({link.url})" for link in compared or shown[:1])
    title = title or there.get("highways.title", name)
    lines = [f"{title}: {first}" if first else title]
    lines.append(
        "One parent run a profile (the sweep), one child a run. What the project shows of it: "
        f"`results/<profile>/{name}/README.md`."
    )
    if shown:
        lines += ["Views, also in the menu above:", "\n".join(f"- [{link.name}]({link.url})" for link in shown)]
    tags[NOTE] = "\n\n".join(lines)
    return {tag: value for tag, value in tags.items() if there.get(tag) != value}


@dataclass(frozen=True)
class _Known:
    """An experiment as `links` reads it."""

    name: str
    experiment_id: str
    tags: Mapping[str, str]
