"""Views of an experiment in MLflow's page: which runs, columns and charts it opens with, and the links to them.

MLflow keeps what its "Views" menu lists as tags of the experiment, `mlflow.sharedViewState.<KEY>`: a name, two times
and a state, which is compressed JSON. `?viewStateShareKey=<KEY>` opens one. Source: MLflow 3.17.2's page.
"""

import base64
import json
import re
import zlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from highways.config.profiles import EXPLORE
from highways.tracking.mlflow_runs import BEST, BEST_LOSS, NOTE

PREFIX = "mlflow.sharedViewState."
COMPARED_DEPTHS = 8
"""Depths, the deepest first, that have a view of their own: the page lists at most 40 views of an experiment."""
_PAGE = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
"""What the page keeps of every view, and of a chart."""
_PROFILES = {"weekend": 0, EXPLORE: 2}
"""The order of profiles: published full schedules first, trials last."""


def views(profile: str, runs: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return the views of a profile's runs, given their tags `network` and `depth`, as tags of the experiment.

    The page opens on the first one.
    """
    networks: dict[str, set[str]] = defaultdict(set)
    for tags in runs:
        networks[tags["depth"]].add(tags["network"])
    if not networks:
        return {}
    of_profile = f"tags.profile = '{profile}' and tags.kind = 'run'"
    best, everything = f"{of_profile} and tags.{BEST} = 'true'", f"{profile}: all runs, by network and depth"
    found = {
        PREFIX + profile: _view(profile, f"{profile}: the best run of each network", best),
        f"{PREFIX}{profile}-all": _view(f"{profile}-all", everything, of_profile, ("network", "depth")),
    }
    for depth in sorted((depth for depth, kinds in networks.items() if len(kinds) > 1), reverse=True)[:COMPARED_DEPTHS]:
        names = sorted(networks[depth])
        first = [one for kind in ("plain", "highway") for one in [one for one in names if one.startswith(kind)][:1]]
        against = " against ".join(list(dict.fromkeys([*first, *names]))[:2])
        others = f" and {len(names) - 2} more" if len(names) > 2 else ""
        key, name = f"{profile}-d{int(depth)}", f"{profile}: {against}{others}, depth {int(depth)}, loss over epochs"
        found[PREFIX + key] = _view(key, name, f"{best} and tags.depth = '{depth}'")
    return found


def _view(key: str, name: str, condition: str, group: Sequence[str] = ()) -> str:
    """Return a view as the experiment's tag: of the runs that meet a condition, grouped by the values of some tags.

    Of a group, charts show the lowest value at every epoch.
    """
    section = f"{key}-epochs"
    charts = [
        _PAGE["chart"]
        | {"uuid": f"{key}-{metric}", "metricSectionId": section, "scaleType": scale}
        | {"metricKey": metric, "selectedMetricKeys": [metric]}
        for metric, scale in _PAGE["lines"]
    ]
    keys = [{"mode": "tag", "groupByData": tag} for tag in group]
    state = _PAGE["view"] | {
        "searchFilter": condition,
        "compareRunCharts": charts,
        "compareRunSections": [_PAGE["section"] | {"uuid": section}],
        "groupBy": {"aggregateFunction": "min", "groupByKeys": keys} if keys else None,
    }
    packed = base64.b64encode(zlib.compress(json.dumps(state).encode(), level=9)).decode()
    return json.dumps({"name": name, "createdAt": 0, "updatedAt": 0, "state": f"deflate;{packed}"})


class Link(NamedTuple):
    """A link to a view of an experiment."""

    experiment: str
    name: str
    url: str


def links(server: str, name: str, experiment_id: str, tags: Mapping[str, str]) -> list[Link]:
    """Return links to the views of an experiment, by profile: comparisons first, of these that of the deepest networks.

    `server` is empty for links within its page.
    """
    found = []
    for key in sorted((tag.removeprefix(PREFIX) for tag in tags if tag.startswith(PREFIX)), key=_place):
        try:
            view = json.loads(tags[PREFIX + key])["name"]
        except (ValueError, KeyError, TypeError):
            continue  # somebody shared it in the page: it has no name
        query = f"workflowType=machine_learning&viewStateShareKey={quote(key)}&compareRunsMode=CHART"
        place = f"#/experiments/{experiment_id}/runs?{query}"
        found.append(Link(name, view, f"{server.rstrip('/')}/{place}" if server else place))
    return found


def _place(key: str) -> tuple[int, str, int]:
    """Sort profiles by `_PROFILES`; of one the depths, the deepest first, the best runs, and all runs."""
    profile, rest, depth = re.fullmatch(r"(?s)(.*?)(-all|-d(\d+))?", key).groups()  # type: ignore[union-attr]
    return _PROFILES.get(profile, 1), profile, -int(depth) if depth else bool(rest)


def experiment_tags(
    title: str, name: str, experiment_id: str, found: Mapping[str, str], there: Mapping[str, str]
) -> dict[str, str]:
    """Return the missing or changed tags of an experiment: its views, its note, its primary metric.

    `title` is one line about it, empty where it is not known. `found` are the views of one profile; `there` are the
    experiment's present tags; other profiles' views among them stay.
    """
    tags = dict(found)
    tags["mlflow.experiment.primaryMetric.name"] = BEST_LOSS
    tags["mlflow.experiment.primaryMetric.greaterIsBetter"] = "False"
    if title:
        tags["highways.title"] = title
    shown = [f"[{link.name}]({link.url})" for link in links("", name, experiment_id, {**there, **tags})]
    title = title or there.get("highways.title", name)
    lines = [
        f"{title}: {', '.join(shown[:2])}" if shown else title,  # what stands first is seen at once
        "One parent run per profile (the sweep), one child per run. The project's own page: "
        f"`results/<profile>/{name}/README.md`.",
    ]
    if shown:
        lines += ["Views, also in the menu above:", "\n".join(f"- {link}" for link in shown)]
    tags[NOTE] = "\n\n".join(lines)
    return {tag: value for tag, value in tags.items() if there.get(tag) != value}
