"""Inside trained networks: gates, lesions, signal, the cost of depth; their records; `run --show`."""

import shutil
from pathlib import Path
from typing import get_args

import nbformat
import numpy as np
import pandas as pd
import pytest
import torch
from toolbox import HERE, OF_MLFLOW, config_of, record_of, texts_of, verdicts_of
from torch import nn

from highways.config import AnalysisConfig, BiLSTMConfig, DenseConfig, SGDConfig, load_profile
from highways.config.run import BiLSTMKind
from highways.errors import HighwaysError, NotYet
from highways.experiments import BY_NAME
from highways.experiments.conv import recipe
from highways.experiments.depth import DepthProfile
from highways.experiments.gates import GatesProfile, answer
from highways.experiments.lesion import LESION, LesionProfile
from highways.experiments.very_deep import depth_ratio, share_of_guessing, very_deep_figure
from highways.inside.analyse import analyse
from highways.inside.cost import CostConfig, exponent, step_cost
from highways.inside.gates import GatesConfig, gates
from highways.inside.layers import inside
from highways.inside.lesions import LesionsConfig, lesioned, lesions, lesions_one_by_one
from highways.inside.signal import SignalConfig, signal
from highways.inside.values import lists
from highways.nn import BiLSTMNetwork, ConvNetwork, DenseNetwork, Highway
from highways.pipeline.verify import faults
from highways.report.mlflow_results import rebuild
from highways.show.figures import svg
from highways.show.layers import signal_panel
from highways.show.tables import reference
from highways.tracking import AnalysisRecord, AnalysisStore, Listed, RunRecord, analysis_keys, listed_records
from highways.tracking.mlflow_log import MlflowLog, read
from highways.tracking.records import RecordStore
from highways.training import run, sweep
from highways.training.checkpoints import weights_path

pytestmark = OF_MLFLOW


def dense(depth: int = 5, kind: str = "highway", activation: str = "relu", seed: int = 0) -> DenseNetwork:
    """An untrained network whose gates are neither open nor closed."""
    bias = -0.5 if kind == "highway" else None
    config = DenseConfig(kind=kind, depth=depth, width=6, activation=activation, transform_bias=bias)  # type: ignore[arg-type]
    return DenseNetwork(config, 4, 3, seed=seed).double()


def batches(sizes: tuple[int, ...] = (7, 7, 3), classes: int = 3) -> list[tuple[torch.Tensor, torch.Tensor]]:
    random = torch.Generator().manual_seed(1)
    return [
        (torch.randn(n, 4, generator=random, dtype=torch.float64), torch.randint(0, classes, (n,), generator=random))
        for n in sizes
    ]


def bilstm(kind: str = "highway") -> BiLSTMNetwork:
    sizes = {"kind": kind, "depth": 3, "hidden": 4, "embedding": 5}
    bias = {"transform_bias": -1.0} if kind == "highway" else {}
    return BiLSTMNetwork(BiLSTMConfig.model_validate({"family": "bilstm"} | sizes | bias), 9, 2)


def sentences(count: int = 6, time: int = 7) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(count)
    return torch.randint(0, 9, (count, time), generator=random), torch.randint(0, 2, (count,), generator=random)


def test_gates_are_those_of_the_equation() -> None:
    network, data = dense(), batches()
    found = gates(network, data, classes=3, examples=10, example=8)
    x, y = (torch.cat(parts)[:10] for parts in zip(*data, strict=True))
    state = network.first(x)
    for layer, block in enumerate(network.blocks):
        t = torch.sigmoid(state @ block.gate.weight.T + block.gate.bias)
        after = t * torch.relu(state @ block.transform.linear.weight.T + block.transform.linear.bias) + (1 - t) * state
        class_means = torch.stack([t[y == label].mean(dim=0) for label in range(3)])
        assert_layer(found, layer, t, state, (after - state).norm(dim=1), example=8)
        torch.testing.assert_close(found["class_means"][layer], class_means, rtol=1e-5, atol=1e-7)
        assert torch.equal(found["biases"][layer], torch.full((6,), -0.5, dtype=torch.float64))
        state = after


def assert_layer(found, layer: int, t: torch.Tensor, x: torch.Tensor, added: torch.Tensor, example: int) -> None:
    """The gates of a layer are `t`, its inputs `x`, `(examples, units)`, and what it adds has these norms."""
    torch.testing.assert_close(found["mean"][layer], t.mean(dim=0), rtol=1e-6, atol=0)
    torch.testing.assert_close(found["example_gates"][layer].double(), t[example], rtol=1e-6, atol=0)
    torch.testing.assert_close(found["example_outputs"][layer].double(), x[example], rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(found["change"][layer], added.mean(), rtol=1e-6, atol=0)


@pytest.mark.parametrize("shapes", [[(6, 7)], [(7, 2)], [(3, 5), (8, 4)]])
def test_gates_of_bilstms_are_means_over_time(shapes: list[tuple[int, int]]) -> None:
    """More sentences than words, fewer, and batches of several lengths."""
    network, data = bilstm().double().eval(), [sentences(*shape) for shape in shapes]
    found = gates(network, data, classes=2, examples=100, example=1)
    states = [network.entry(network.embedding(tokens.t())) for tokens, _ in data]
    for layer, block in enumerate(network.blocks):
        ts = [torch.sigmoid(x @ block.gate.weight.T + block.gate.bias) for x in states]
        after = [block.transform.lstm(x)[0] * t + x * (1 - t) for x, t in zip(states, ts, strict=True)]
        t, x = (torch.cat([part.mean(dim=0) for part in parts]) for parts in (ts, states))
        added = torch.cat([(y - x).square().sum(dim=(0, 2)).sqrt() for x, y in zip(states, after, strict=True)])
        assert_layer(found, layer, t, x, added, example=1)
        states = after


def test_gates_of_convolutions_are_means_over_positions() -> None:
    network = ConvNetwork(recipe("highway-mnist-16", "digits")[0], (1, 8, 8), 10).eval()
    x, y = torch.rand(50, 1, 8, 8), torch.arange(50) % 10
    found, expected = gates(network, [(x, y)], 10, examples=50), []
    for module in network.body:
        if isinstance(module, Highway):
            expected.append(module.transform_gate(x).mean(dim=(0, 2, 3)))
        x = module(x)
    torch.testing.assert_close(torch.stack(list(found["mean"])).float(), torch.stack(expected), rtol=1e-5, atol=0)


def test_example_or_layer_out_of_range_and_networks_without_gates_are_named() -> None:
    with pytest.raises(HighwaysError, match="no training example 99: they are 0 to 16"):
        gates(dense(), batches(), 3, examples=10, example=99)
    with pytest.raises(HighwaysError, match="no gates"):
        gates(dense(kind="plain"), batches(), 3, examples=10)
    with pytest.raises(HighwaysError, match="1 of 4 classes are not among the first 10 examples"):
        gates(dense(), batches(), 4, examples=10)
    with pytest.raises(HighwaysError, match="no highway layer 5: they are 1 to 4"), lesioned(dense(), 5):
        pass


def test_lesions_together_are_those_one_by_one() -> None:
    for activation in ("relu", "tanh"):
        network, data = dense(depth=9, activation=activation), batches((20, 20, 5))
        together, alone = lesions(network, data), lesions_one_by_one(network, data)
        torch.testing.assert_close(together["cross_entropy"], alone["cross_entropy"], rtol=1e-12, atol=0)
        assert torch.equal(together["accuracy"], alone["accuracy"])


def test_lesioned_block_is_the_identity() -> None:
    network, data = dense(depth=4), batches((9,))
    with torch.no_grad():
        network.blocks[1].gate.bias.fill_(-1e9)  # T = 0
    found = lesions(network, data)
    assert found["cross_entropy"][2] == pytest.approx(float(found["cross_entropy"][0]), rel=1e-12)
    assert found["cross_entropy"][1] != pytest.approx(float(found["cross_entropy"][0]), rel=1e-6)
    x = torch.randn(3, 6, dtype=torch.float64)
    with lesioned(network, 3):
        assert torch.equal(network.blocks[2](x), x)
    assert not torch.equal(network.blocks[2](x), x)


def test_signal_is_autograds() -> None:
    network, data = dense(depth=4), batches((8, 8))
    found = signal(network, data, examples=12)
    network.config = network.config.model_copy(update={"checkpoint_every": 2})
    kept = signal(network, data, examples=12)
    assert all(torch.equal(found[name], kept[name]) for name in found), "the same with activation checkpointing"
    x, y = (torch.cat(parts)[:12] for parts in zip(*data, strict=True))
    state, outputs = network.first(x), []
    for block in network.blocks:
        state = block(state)
        state.retain_grad()
        outputs.append(state)
    nn.functional.cross_entropy(network.readout(state), y).backward()
    for layer, (block, output) in enumerate(zip(network.blocks, outputs, strict=True)):
        norm = torch.stack([parameter.grad.square().sum() for parameter in block.parameters()]).sum().sqrt()
        torch.testing.assert_close(found["weight_gradient"][layer], norm, rtol=1e-10, atol=0)
        torch.testing.assert_close(found["output"][layer], output.detach().square().mean().sqrt(), rtol=1e-10, atol=0)
        per_example = (output.grad * 12).square().mean().sqrt()
        torch.testing.assert_close(found["output_gradient"][layer], per_example, rtol=1e-10, atol=0)


def test_signal_of_every_kind_is_measured_and_drawn(project: Path) -> None:
    analyses = []
    for kind in get_args(BiLSTMKind):
        network = bilstm(kind)
        found = signal(network, [sentences()], examples=6)
        assert (found["weight_gradient"] > 0).all()
        assert (found["output_gradient"] > 0).all()
        config = AnalysisConfig(run=config_of(network.config, "synthetic-tweets"), measure=SignalConfig(trained=False))
        analyses.append(AnalysisRecord.model_construct(config=config, values=lists(found)))
    drawn, _ = svg(signal_panel(analyses))
    assert all(f"{kind}, 3 layers" in drawn for kind in get_args(BiLSTMKind))


def test_notebook_says_what_its_table_of_gradients_shows(repository: Path) -> None:
    cells = nbformat.read(repository / "notebooks/01_depth.ipynb", as_version=4).cells
    place = next(number for number, cell in enumerate(cells) if "def carried(" in cell.source)
    names: dict = {"torch": torch, "pd": pd}
    exec(cells[place].source, names)
    text = " ".join(cells[place + 1].source.split())

    def left(activation: str, network: str | int, depth: int = 100) -> str:
        network = network if isinstance(network, str) else f"highway, bias {network}"
        return f"{names['shares'].loc[(activation, network), depth]:.2g}"

    assert f"{left('relu', -2)} arrives with ReLU and {left('tanh', -2)} with tanh" in text
    assert f"{left('relu', 'plain')} with ReLU and, growing, {left('tanh', 'plain')} with tanh" in text
    for activation in ("relu", "tanh"):
        assert f"At −5, {left(activation, -5)} arrives; at −10, {left(activation, -10)}." in text
    assert f"a bias of −2 still leaves {left('relu', -2, 10)}." in text
    assert f"$0.88^{{100}}$ = {(1 / (1 + np.exp(-2))) ** 100:.0e}".replace("e-0", "e-") in text
    best = pd.read_csv(repository / "results/weekend/01_depth/tables/depth.csv").query("network == 'highway'")
    biases = best.set_index("depth")["best_transform_bias"]
    assert f"10 layers started at −{-biases[10]:.1f}, that of 100 layers at −{-biases[100]:.1f}" in text


def test_memory_of_a_step_grows_with_depth_and_less_with_checkpointing() -> None:
    def cost(depth: int, every: int | None = None) -> int:
        network = DenseConfig(kind="highway", depth=depth, width=10, transform_bias=-1.0, checkpoint_every=every)
        config = config_of(network, optimiser=SGDConfig(learning_rate=0.01))
        return step_cost(config, torch.device("cpu"), 1)[1]

    depths = [50, 100, 200]
    assert exponent(depths, [cost(depth) for depth in depths]) == pytest.approx(1.0, abs=0.02)
    weights = 2 * 2 * 199 * 110 * 4  # and velocities
    assert cost(200, every=15) - weights < 0.2 * (cost(200) - weights)


@pytest.fixture
def trained(project: Path, run_config) -> RunRecord:
    return run(run_config(depth=4, epochs=1), **HERE)


def settings_of(record: RunRecord) -> list[AnalysisConfig]:
    of_weights = (GatesConfig(examples=100), LesionsConfig(), SignalConfig(trained=True, examples=50))
    return [AnalysisConfig(run=record.config, measure=measure) for measure in (*of_weights, CostConfig(steps=1))]


def test_analyses_are_made_once_and_missing_weights_again_to_the_bit(project: Path, trained, capsys) -> None:
    first = analyse(settings_of(trained), **HERE)
    weights_path(trained.run_key).unlink()
    again = analyse(settings_of(trained), **HERE)
    assert [record.dumps() for record in again] == [record.dumps() for record in first]
    elsewhere = analyse(settings_of(trained)[:-1], experiment="other", profile="q", mlflow=False)
    assert elsewhere == first[:-1]  # but for the cost, which is a machine's
    assert "training it again" not in capsys.readouterr().out, "they need no weights"
    whole = AnalysisConfig(run=trained.config, measure=GatesConfig(examples=120))
    (found,) = analyse([whole], **HERE)
    out = capsys.readouterr().out
    assert "training it again" in out
    assert "are those of the record, to the bit" in out
    assert found.weights_sha256 == trained.weights_sha256


def test_analysis_of_other_weights_is_made_again_and_damage_is_named(project: Path, trained: RunRecord) -> None:
    (record, *_) = analyse(settings_of(trained)[:1], **HERE)
    path = project / "results/p/e/analyses" / f"{record.key}.json"
    AnalysisStore(path.parent).write(record.model_copy(update={"weights_sha256": "other"}))
    (again,) = analyse(settings_of(trained)[:1], **HERE)
    assert again.weights_sha256 == trained.weights_sha256, "that of other weights is made again"
    path.write_text(path.read_text().replace('"version": 1', '"version": 2'))
    with pytest.raises(HighwaysError, match=r"results/p/e/analyses/gates-.*altered"):
        AnalysisStore(path.parent).read(record.key)
    assert [line for line in faults("p")[1] if "altered" in line]


def test_analyses_come_out_of_mlflow_as_they_went_in(tracked_project, empty_mlflow, run_config, monkeypatch) -> None:
    config = run_config(depth=4, epochs=1)
    sweep([config], profile="p", experiment="e")
    configs = [AnalysisConfig(run=config, measure=LesionsConfig())]
    made = analyse(configs, experiment="e", profile="p")
    assert read(AnalysisRecord, "p", "e", analysis_keys(configs)) == made
    changed = made[0].model_copy(update={"values": {"cross_entropy": [1.0], "accuracy": [0.5]}})
    MlflowLog("p", "e").end(lambda runs: runs.bring_analyses([changed]))
    assert read(AnalysisRecord, "p", "e", analysis_keys(configs)) == [changed]

    other = tracked_project / "other.db"
    shutil.copyfile(empty_mlflow, other)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{other}")
    assert "e (p): 1 runs and 1 analyses" in list(rebuild("p"))[-1]
    assert read(AnalysisRecord, "p", "e", analysis_keys(configs)) == made


def searched(project: Path, depth: int) -> None:
    """Write the record of a trial of the quick search: of the first highway network of a depth."""
    config = load_profile("quick", DepthProfile).first_rung()["highway", depth][0]
    curves = {"train_cross_entropy": [2.3] * (config.budget.epochs - 1) + [0.1]}
    RecordStore(project / "results/quick/01_depth/runs").write(record_of(config, curves))


GATES = {"profile": "quick", "data": ["digits"], "epochs": 1, "batch_size": 100, "search": "quick"}
GATES |= {"depth": 10, "width": 5, "transform_bias": {"digits": -2.0}}


def test_search_that_has_not_been_run_is_named(project: Path) -> None:
    chosen = GatesProfile.model_validate(GATES)
    none = r"has 0 of the 8 trials of highway networks of 10 layers, .* && dvc repro 01_depth@quick`"
    with pytest.raises(NotYet, match=none):
        chosen.runs()
    listed = listed_records(chosen)
    assert (list(listed), listed.known) == ([], False)
    assert {row.verdict for row in verdicts_of(chosen)} == {"not run"}
    searched(project, 20)
    with pytest.raises(NotYet):
        texts_of("gates", chosen)
    searched(project, 10)
    with pytest.raises(NotYet, match=r"has 1 of the \d+ trials of highway networks of 10 layers, 1 of which learned"):
        chosen.runs()
    damaged = next((project / "results/quick/01_depth/runs").glob("highway-d020*"))
    damaged.write_text("<<<<<<< HEAD")
    with pytest.raises(HighwaysError, match=r"highway-d020.*: truncated or not JSON"):
        GatesProfile.model_validate(GATES | {"depth": 20}).runs()


def paper_records(measure: GatesConfig | LesionsConfig, data: str) -> Listed:
    """Records of two networks whose layers are those of the papers' figures."""
    network = DenseConfig(kind="highway", depth=50, width=50, transform_bias=-2.0 if data == "mnist" else -4.0)
    config = config_of(network, data, SGDConfig(learning_rate=0.1), budget={"epochs": 400})
    if isinstance(measure, GatesConfig):
        table = reference("highway2015_fig2_layer_means.csv")
        biases, mean = table[f"{data}_gate_bias"], table[f"{data}_mean_transform_gate"]
        values: dict = {"biases": [[b] for b in biases], "mean": [[m] for m in mean], "change": [1.0] * 49}
        values |= {"class_means": [[[1.1 * m]] for m in mean], "example_gates": values["mean"]}
        values["example_outputs"] = [[0.0]] * 50
    else:
        losses = list(reference("verydeep2015_fig4_lesion.csv")[f"{data}_train_cross_entropy"])
        values = {"cross_entropy": losses, "accuracy": [1.0] * len(losses)}
    records, analyses = [], []
    for seed in (0, 1):
        run = config.model_copy(update={"seed": seed})
        looked = {"config": AnalysisConfig(run=run, measure=measure), "key": "k", "values": values}
        analyses.append(AnalysisRecord.model_construct(**looked, timing={"seconds": 1.0}))
        records.append(record_of(run, {"train_cross_entropy": [2.0, 1e-4]}))
    return Listed(records, analyses)


OPEN = ("-early", "-later", "-everywhere", "-sparse", "-sparser", "-decrease", "-first-10", "-first-40")
OPEN += ("-in-stripes", "-to-the-input")
"""Ends of the names of claims for which the papers' figures give no layer means."""
WITHOUT_CONTROL = {"gates-mnist-activity-falls-with-depth", "gates-cifar-activity-falls-with-depth"}
WITHOUT_CONTROL |= {"lesion-mnist-middle-layers"}
"""Claims that need the same network before training, which the papers do not show."""


@pytest.mark.parametrize("data", ["mnist", "cifar100"])
def test_the_papers_own_figures_replicate_their_claims(project: Path, data: str) -> None:
    measured = {
        GatesConfig(): GatesProfile.model_validate(GATES),
        LesionsConfig(): LesionProfile(profile="x", networks="x"),
    }
    found = {
        row.claim_id: (row.verdict, row.scope)
        for measure, profile in measured.items()
        for row in verdicts_of(profile, paper_records(measure, data))
        if data.removesuffix("100") in row.claim_id and not row.claim_id.endswith(OPEN)
    }
    assert len(found) >= 4
    left_open = WITHOUT_CONTROL & found.keys()
    assert found == {name: ("inconclusive" if name in left_open else "replicated", "full") for name in found}


def test_runs_that_diverged_are_judged_and_drawn(project: Path, run_config) -> None:
    configs = [run_config(depth=4, epochs=1, learning_rate=rate) for rate in (1e12, 0.05, 0.01)]
    configs.append(run_config(depth=6, epochs=1, learning_rate=1e12))
    bad, fine, later, diverged = records = sweep(configs, **HERE)
    assert [record.status for record in records] == ["diverged", "finished", "finished", "diverged"]
    assert share_of_guessing(Listed([bad, fine]), "highway", 4) == pytest.approx(fine.best() / np.log(10))
    assert share_of_guessing(Listed([bad]), "highway", 4) == 1
    listed = Listed([fine, diverged])
    assert share_of_guessing(listed, "highway", 6) == 1
    assert depth_ratio(listed, ("highway", 6), ("highway", 4)) == float("inf")
    assert depth_ratio(listed, ("highway", 4), ("highway", 6))[:2] == (0.0, float("inf")), "other settings tell nothing"
    wanted = [AnalysisConfig(run=config, measure=GatesConfig(examples=100)) for config in configs]
    analyses = analyse(wanted, **HERE)
    assert [analysis.run for analysis in analyses] == [fine.config, later.config]
    assert inside(Listed(list(records), analyses), "gates")["digits"].networks == analyses
    for draw in (BY_NAME["04_gates"].figures["gates"], LESION.figures["lesion"]):
        assert draw(Listed([diverged])).whole().axes[0].texts
    assert very_deep_figure(Listed([diverged])).panels[0].title == "digits: training"
    assert not [*answer(Listed([diverged.model_copy(update={"curves": {}})]))]


def test_show_says_what_is_wrong_in_one_line_and_draws(project: Path, trained: RunRecord, says, fails) -> None:
    key, state = trained.run_key, torch.load(weights_path(trained.run_key))
    assert f"the nearest are: {key}" in fails("run", "--show", "gates", "highway-d004-mnist")
    assert "'roads' is not one of 'gates', 'lesions', 'signal'" in fails("run", "--show", "roads", key)
    torch.save({name: weights + 1 for name, weights in state.items()}, weights_path(key))
    assert "expected weights of sha256" in fails("run", "--show", "gates", key)
    weights_path(key).unlink()
    assert "run CONFIG --weights` trains the run again" in fails("run", "--show", "lesions", key)
    says("run", "--show", "lesions", "--weights", key)
    for show in ("gates", "lesions", "signal"):
        drawn = f"results/adhoc/adhoc/{show}-{key}.png"
        assert says("run", "--show", show, key).splitlines()[-1] == drawn
        assert (project / drawn).stat().st_size > 10_000
    weights_path(key).unlink()  # its analysis is kept
    says(
        "run", str(project / "results/p/e/runs" / f"{key}.json"), "--show", "gates", "--output", str(project / "x.png")
    )
    assert (project / "x.png").exists()
    analysis = next((project / "results/adhoc/adhoc/analyses").glob("gates-*.json"))
    (other := AnalysisStore(analysis.parent)).write(
        other.read_all([analysis.stem])[0].model_copy(update={"weights_sha256": "0"})
    )
    assert "run CONFIG --weights` trains the run again" in fails("run", "--show", "gates", key)
