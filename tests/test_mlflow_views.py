"""What MLflow's page opens on: views of each experiment, links to them, names, notes, colours, durations, data."""

import base64
import itertools
import json
import re
import signal
import socket
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest
from browser import BROWSER, run_browser
from toolbox import OF_MLFLOW, mlflow_runs, record_of

from highways.colours import NETWORK
from highways.tracking import mlflow_page
from highways.tracking.mlflow_log import MlflowRuns
from highways.tracking.mlflow_page import PREFIX, experiment_tags, links, views
from highways.tracking.mlflow_runs import NOTE, interval, run_name
from highways.tracking.mlflow_store import connect
from highways.tracking.outcomes import rank
from highways.training import sweep

pytestmark = OF_MLFLOW
CURVE = "train/cross_entropy"


def unpacked(tag: str) -> dict[str, Any]:
    """The state of a view, as MLflow's page reads it."""
    kind, _, state = json.loads(tag)["state"].partition(";")
    assert kind == "deflate"
    return json.loads(zlib.decompress(base64.b64decode(state)))


def depths(run_config) -> list:
    cells = itertools.product(("plain", "highway"), (3, 5), (0, 1))
    return [run_config(kind=kind, depth=depth, seed=seed) for kind, depth, seed in cells]


def test_views_are_of_each_depth_weekend_first_others_stay_and_names_differ_before_they_are_cut(run_config) -> None:
    tags = [{"network": kind, "depth": depth} for kind in ("plain", "highway") for depth in ("0010", "0100")]
    found = views("laptop", [*tags, {"network": "highway", "depth": "0900"}])
    assert list(found) == [PREFIX + key for key in ("laptop", "laptop-all", "laptop-d100", "laptop-d10")]
    compared = found[PREFIX + "laptop-d100"]
    assert json.loads(compared)["name"] == "laptop: plain against highway, depth 100, loss over epochs"
    state = unpacked(compared)
    assert "tags.depth = '0100'" in state["searchFilter"]
    assert (state["compareRunCharts"][0]["metricKey"], state["compareRunCharts"][0]["type"]) == (CURVE, "LINE")
    assert state["orderByKey"] == "metrics.`summary/best_train_cross_entropy`"
    grouped = unpacked(found[PREFIX + "laptop-all"])["groupBy"]
    assert [key["groupByData"] for key in grouped["groupByKeys"]] == ["network", "depth"]
    assert views("laptop", []) == {}
    runs = [{"network": kind, "depth": f"{depth:04d}"} for kind in ("plain", "highway") for depth in range(60)]
    found = views("weekend", runs)
    assert len(found) < 20, "the page lists at most 40"
    there = found | views("explore", runs[::59]) | views("laptop", runs[::59]) | {PREFIX + "x": "shared in the page"}
    tags = there | experiment_tags("Depth", "e", "7", there)
    assert max(map(len, tags.values())) < 20_000
    assert tags[NOTE].startswith("Depth: [weekend: plain against highway, depth 59")
    assert experiment_tags("", "e", "7", tags)[NOTE] == tags[NOTE], "a sweep outside of the notebook keeps the title"
    shown = [url for _, url in links("http://127.0.0.1:5001/", "3", tags)]
    keys = [re.search("viewStateShareKey=([^&]*)", url)[1] for url in shown]  # type: ignore[index]
    assert keys.index("weekend") < keys.index("laptop") < keys.index("explore")
    assert keys[0] == "weekend-d59"
    assert keys[len(found) - 2 : len(found)] == ["weekend", "weekend-all"]
    assert all(url.startswith("http://127.0.0.1:5001/#/experiments/3/runs?workflowType=machine") for url in shown)
    names = [run_name(config, f"slug-{number:012x}") for number, config in enumerate(depths(run_config))]
    assert len({name[:16] for name in names}) == len(names)
    same = [run_name(run_config(), f"slug-{key}") for key in ("aaaabbbbcccc", "ddddbbbbcccc")]
    assert same[0] != same[1]


def test_auxiliary_run_is_never_the_best(tracked_project: Path, run_config) -> None:
    runs = [run_config(seed=seed, epochs=1) for seed in (0, 1)]
    ranked = sorted(sweep(runs, profile="p", experiment="e", mlflow=False), key=rank)
    sweep(runs, profile="p", experiment="e", auxiliary=[ranked[0].run_key])
    (best,) = mlflow_runs(best="true")
    assert best.data.tags["run_key"] == ranked[1].run_key
    (parent,) = mlflow_runs(kind="sweep")
    assert parent.data.metrics["by depth/train_cross_entropy highway digits"] == ranked[1].best()


def test_a_better_record_of_an_earlier_day_counts(tracked_project: Path, run_config) -> None:
    for seed, (loss, day) in enumerate([(0.5, 2), (0.3, 1)]):
        curves, runs = {"train_cross_entropy": [loss]}, MlflowRuns("p", "e")
        list(runs.bring([record_of(run_config(seed=seed, epochs=1), curves, finished_at=f"2026-01-0{day}T12:00:00Z")]))
        runs.close()
    (parent,) = mlflow_runs(kind="sweep")
    losses = ("summary/best_train_cross_entropy", "by depth/train_cross_entropy highway digits")
    assert [parent.data.metrics[name] for name in losses] == [0.3, 0.3]


def test_a_sweep_says_what_it_is_and_what_its_runs_are(tracked_project: Path, run_config) -> None:
    records = sweep(depths(run_config), profile="p", experiment="e")
    found = connect().get_experiment_by_name("e")
    assert found is not None
    tags = found.tags
    assert {PREFIX + "p", PREFIX + "p-all", PREFIX + "p-d5", PREFIX + "p-d3"} <= tags.keys()
    assert tags["mlflow.experiment.primaryMetric.name"] == "summary/best_train_cross_entropy"
    state = unpacked(tags[PREFIX + "p-d5"])
    found = mlflow_runs(state["searchFilter"])
    assert sorted(run.data.tags["network"] for run in found) == ["highway", "plain"], "the best of each"
    assert {chart["metricKey"] for chart in state["compareRunCharts"]} >= {"train/cross_entropy", "test/accuracy"}
    assert "train/cross_entropy" in found[0].data.metrics
    by_key = {run.data.tags["run_key"]: run for run in mlflow_runs(kind="run")}
    assert len(mlflow_runs(best="true")) == 4
    for record in records:
        run, (start, end) = by_key[record.run_key], interval(record)
        tags = run.data.tags
        assert run.info.end_time - run.info.start_time == end - start, "its own seconds, not its group's"
        assert tags["mlflow.runColor"] == NETWORK[record.config.network.kind]
        assert tags[NOTE].startswith("A run of `e` (p): **")
        assert f"results/p/e/runs/{record.run_key}.json" in tags[NOTE]
        (data,) = run.inputs.dataset_inputs
        assert (data.dataset.name, data.dataset.digest) == ("digits", record.data_fingerprint[:36])
        assert json.loads(data.dataset.source)["fingerprint"] == record.data_fingerprint
        (loss,) = connect().get_metric_history(run.info.run_id, "summary/best_train_cross_entropy")
        assert loss.step == 0, "one bar, not a line"

    records += sweep([run_config(depth=9)], profile="p", experiment="e")  # a sweep of one more run
    (parent,) = mlflow_runs(kind="sweep")
    history = connect().get_metric_history(parent.info.run_id, "by depth/train_cross_entropy highway digits")
    highways = [record for record in records if record.config.network.kind == "highway"]
    best = {depth: min(one.best() for one in highways if one.config.network.depth == depth) for depth in (3, 5, 9)}
    assert {one.step: one.value for one in history} == best
    sums = {f"summary/{name}": parent.data.metrics[f"summary/{name}"] for name in ("runs", "seconds", "diverged")}
    assert sums == {
        "summary/runs": 9,
        "summary/seconds": pytest.approx(sum(record.timing["seconds"] for record in records)),
        "summary/diverged": 0,
    }
    assert parent.data.metrics["summary/best_train_cross_entropy"] == min(record.best() for record in records)
    assert "**parent of 9 runs**" in parent.data.tags["mlflow.note.content"]
    assert len(mlflow_runs(best="true")) == 5


@pytest.mark.pipeline
def test_ui_ends_on_the_link_to_begin_with_and_with_its_server(tracked_project: Path, run_config, monkeypatch) -> None:
    sweep(depths(run_config), profile="p", experiment="e", mlflow=False)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # nothing on this machine is asked through it
    with socket.create_server((mlflow_page.HOST, 0)) as taken:
        port = taken.getsockname()[1]
        command = [sys.executable, "-u", "-m", "highways.cli", "tracking", "ui", "--port", str(port)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        lines = [""]
        while "begin at" not in lines[-1]:
            lines.append(process.stdout.readline())
            assert lines[-1], "it has ended"
        link = process.stdout.readline().strip()
    try:
        assert f"port {port} is taken\n" in lines
        assert "e, p: plain against highway, depth 5, loss over epochs\n" in lines
        server = re.match(r"http://127\.0\.0\.1:(\d+)/#/experiments/1/runs\?.*viewStateShareKey=p-d5", link)
        assert server
        assert int(server[1]) > port
        if BROWSER:  # the link leads to both networks' loss over the epochs
            options = ("--window-size=1500,950", "--virtual-time-budget=60000", "--timeout=90000")
            page = run_browser(tracked_project, *options, "--dump-dom", link)
            assert re.search(r"2\D{0,80}matching runs", page)
            for text in ("depth 5, loss over epochs", "Over the epochs", "d005 plain", "d005 highway", CURVE):
                assert text in page
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    with socket.socket() as probe:
        assert probe.connect_ex((mlflow_page.HOST, int(server[1]))) != 0, "the server has ended, too"
