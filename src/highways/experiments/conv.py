"""Convolutional highway networks (P1 Table 1, P2 Tables 1 to 3, the Keras convolution post)."""

import math
from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from pydantic import AfterValidator, Field
from torch.utils.flop_counter import FlopCounterMode

from highways.claims.values import Interval, in_units
from highways.config import NETWORKS, ConvConfig, Profile
from highways.config.base import Epochs, Strict, Trials, no_repetition
from highways.config.data import DataConfig, PictureData, PicturesConfig
from highways.config.run import AdamConfig, BudgetConfig, CaffeConfig, RunConfig
from highways.data import classes, examples
from highways.experiments.base import Experiment, Table
from highways.inside.statistics import difference_interval, each, mean_interval, moments
from highways.nn import ConvNetwork
from highways.show.figures import DASHES, OTHERS, POINTS, SOURCE, Drawing, Panel, line, line_panel, plain_ticks, shade
from highways.show.tables import Row, reference_rows
from highways.tracking import Cell, Listed, RunRecord, cells, diverged

Precision = Literal["float32", "bfloat16"]
Named = tuple[str, str]
"""Names of a network and of a data set."""


class ConvTraining(Strict):
    """Which convolutional network is trained, on what, for how long and how often."""

    network: Literal[*NETWORKS]  # type: ignore[valid-type]
    """A name in `highways.config.conv.NETWORKS`."""
    data: PictureData
    epochs: Epochs
    runs: Trials
    """Number of runs, with seeds 0, 1, ...: each draws weights, dropout, order and augmentation."""
    precision: Precision | None = None
    """The profile's by default."""
    schedule_epochs: Epochs | None = None
    """Length of the rate's schedule if `epochs` are only its beginning, to compare curves with the authors' logs."""


def _each_once(trainings: list[ConvTraining]) -> list[ConvTraining]:
    no_repetition([(one.network, getattr(one.data, "name", one.data), one.schedule_epochs) for one in trainings])
    return trainings


class ConvProfile(Profile):
    """Parameters of `03_conv`: the convolutional networks of P1 Table 1, P2 Tables 1 to 3, the Keras convolution post.

    Network and data determine how a network is trained (`recipe`): as in the authors' released solvers, for 300 epochs
    on MNIST and 400 on CIFAR; with fewer epochs the schedule keeps its shape.
    """

    experiment: ClassVar[str] = "03_conv"

    trainings: Annotated[list[ConvTraining], AfterValidator(_each_once), Field(min_length=1)]
    precision: Precision = "float32"

    def runs(self) -> list[RunConfig]:
        return [self._run(training, seed) for training in self.trainings for seed in range(training.runs)]

    def _run(self, training: ConvTraining, seed: int) -> RunConfig:
        network, pictures, optimiser, batch_size = recipe(training.network, training.data)
        return RunConfig(
            data=DataConfig.of(training.data, pictures=pictures),
            network=network,
            optimiser=optimiser,
            budget=BudgetConfig(batch_size=batch_size, **training.model_dump(include={"epochs", "schedule_epochs"})),
            seed=seed,
            order_seed=seed,
            precision=training.precision or self.precision,
        )


def home(name: str) -> str:
    """Return the data set that a network was designed for."""
    return "mnist" if "mnist" in name or name in LABELS else "cifar10"


def recipe(name: str, data: str | DataConfig) -> tuple[ConvConfig, PicturesConfig, CaffeConfig | AdamConfig, int]:
    """Return how a network is trained on a data set: the network, the pictures, the optimiser, the batch size.

    The networks of P1 Table 1 and P2 Table 2 (A, 2, C, 3, 4, their plain twins, the Fitnets) use translations only, and
    Highway 3 and 4 use only the first 40,000 images, as the papers say. The other networks also mirror images, as
    released. The user's own images are treated like those that the network was designed for.

    Source: examples/*/solver.prototxt and network.prototxt of flukeskywalker/highway-networks (rate .01 with steps at
    1/3 and 2/3 on MNIST; .025 with steps at 1/2, 3/4 and 7/8 on CIFAR; batches of 100); the Keras convolution post
    (Adam with Keras's settings, batches of 32, pixels from 0 to 255).
    """
    network, data = NETWORKS[name], home(name) if isinstance(data, DataConfig) else data
    if name in POST:
        adam = AdamConfig(kind="adam", learning_rate=1e-3, epsilon=1e-7 if name == "keras-post" else 1e-8)
        return network, PicturesConfig(scale=1.0), adam, 32
    slow = CaffeConfig(kind="caffe", learning_rate=0.01, milestones=(1 / 3, 2 / 3))
    fast = CaffeConfig(kind="caffe", learning_rate=0.025, milestones=(1 / 2, 3 / 4, 7 / 8))
    if data in ("cifar10", "cifar100"):
        kind = name.removeprefix("highway-").removeprefix("plain-")
        mirror = kind not in ("2", "a", "c", "3", "4", "fitnet-1", "fitnet-4")
        images = 40_000 if kind in ("3", "4") else None
        pictures = PicturesConfig(
            scale=1 / 255, contrast=True, mean_image=True, pad=8, mirror=mirror, training_images=images
        )
        if data == "cifar100":  # the only released network whose classifier is initialised like its other layers
            network = network.model_copy(update={"classifier_std": None})
        return network, pictures, fast, 100
    optimiser = fast if name == "highway-mnist-32-short" else slow
    if data == "digits":  # an 8x8 stand-in: enlarged, so that the network can pool three times; more steps per epoch
        return network, PicturesConfig(enlarge=3), optimiser, 10
    return network, PicturesConfig(), optimiser, 100


LABELS = {"seed-003": "keras-post, epsilon 1e-8"}
"""Display names of networks that differ from the names in their records."""
POST = ("keras-post", *LABELS)
"""Networks of the Keras convolution post."""
SHAPES = {"digits": (1, 8, 8), "mnist": (1, 28, 28), "cifar10": (3, 32, 32), "cifar100": (3, 32, 32)}
"""Channels, height and width of the images."""


def built(network: str, data: str) -> tuple[ConvNetwork, tuple[int, int, int]]:
    """Return an untrained network for a data set, from its configuration, and the shape of its images."""
    described, pictures, _, _ = recipe(network, data)
    channels, height, width = SHAPES[data]
    shape = channels, height * pictures.enlarge, width * pictures.enlarge
    return ConvNetwork(described, shape, classes(data)), shape


BEGUN = ", schedule of "
"""Part of the name of a network that was trained only for the beginning of its schedule."""


def named(run: RunRecord) -> Named:
    """Return the names of a run's network and data set; the first one says if the schedule was not run to its end."""
    network, budget = run.config.network, run.config.budget
    assert isinstance(network, ConvConfig)
    begun = f"{BEGUN}{budget.scheduled}" if budget.scheduled > budget.epochs else ""
    return network.name + begun, run.config.data.name


def last_accuracies(cell: Cell) -> list[float]:
    """Return each run's test accuracy after its last epoch, as in the papers; one that diverged counts as guessing."""
    guess = 1 / classes(cell.runs[0].config.data)
    return [run.curves["test_accuracy"][-1] if run.status == "finished" else guess for run in cell.runs]


def published() -> dict[Named, Row]:
    """Return the papers' accuracies by network and data set."""
    return {(row["network"], row["data"]): row for row in reference_rows("conv_papers.csv")}


AUTHORS_LOGS = {
    ("highway-b", "cifar10"): ("cifar10", 500),
    ("highway-b, first release", "cifar10"): ("cifar10_v1", 500),  # with 100 outputs, by mistake
    ("highway-b", "cifar100"): ("cifar100", 500),
    ("highway-mnist-32", "mnist"): ("mnist", 600),
}
"""The authors' own test curves, by network and data set: file name and iterations per epoch."""


def authors_log(network: str, data: str) -> dict[float, float]:
    """Return the test accuracies in the authors' own log by epoch; empty if they published none."""
    name, iterations = AUTHORS_LOGS.get((network.partition(BEGUN)[0], data), ("", 1))
    rows = reference_rows(f"authors_log_{name}.csv") if name else []
    return {row["iteration"] / iterations: row["test_accuracy"] for row in rows}


def conv_rows(records: Listed) -> Iterator[Row]:
    """Yield a row for each configured network, on each data set that it was run or published on.

    Accuracies are those after the last epoch, as in the papers; a run that diverged counts as guessing. The interval is
    that of the mean: Student's for five or more runs, Wilson's for one; with a few runs, each is listed instead.
    `authors_log_same_epoch` is the accuracy in the authors' own log after as many epochs as ours had. Their rate had
    not yet been lowered there, but ours had, unless ours had all its epochs or was also at the beginning of its
    schedule. What others published stands below.
    """
    ours, papers = cells(records, named), published()
    for network, data in _order(list(ours), list(papers)):
        paper, cell = papers.get((network, data), {}), ours.get((network, data))
        last = last_accuracies(cell) if cell else []
        mean, deviation = moments(last) if last else (None, None)
        low, high = mean_interval(last, examples(cell.runs[0].config.data, "test")) if cell else (None, None)
        base = network.partition(BEGUN)[0]
        parameters = cell.runs[0].parameters if cell else None
        if cell is None and base in NETWORKS and data in SHAPES:
            parameters = built_parameters(records, network, data)
        yield {
            "network": LABELS.get(network, network),
            "data": data,
            "layers": NETWORKS[base].depth if base in NETWORKS else None,
            "parameters": parameters,
            "paper_parameters": paper.get("paper_parameters"),
            "epochs": cell.epochs if cell else None,
            "runs": len(cell.runs) if cell else None,
            "accuracy_last_mean": mean,
            "accuracy_last_sd": deviation,
            "accuracy_last_each": each(last) if cell else None,
            "accuracy_best": max(last) if cell else None,
            "diverged": diverged(cell.runs) if cell else None,
            "interval_low": low,
            "interval_high": high,
            **{name: paper.get(name) for name in ("paper", "paper_mean", "paper_sd")},
            "authors_log_same_epoch": authors_log(network, data).get(float(cell.epochs)) if cell else None,
            "note": paper.get("note"),
        }


def _order(run: list[Named], others: list[Named]) -> list[Named]:
    """Return networks and data sets in the order of the rows: those that were run, then all others."""
    known, names = list(dict.fromkeys([*run, *others])), {name for name, _ in [*run, *others]}
    known += [(name, home(name)) for name in NETWORKS if name not in names]
    order, data_sets = [*NETWORKS, *(name for name, _ in known)], [*SHAPES, *(data for _, data in known)]
    places = {(name, data): (order.index(name.partition(BEGUN)[0]), data_sets.index(data)) for name, data in known}
    return sorted(known, key=lambda pair: (pair not in run, places[pair], pair))


def run_first(frame: pd.DataFrame) -> pd.DataFrame:
    """Return, for the report, the networks that were run, then those with a number in the papers."""
    was_run = frame["runs"].notna()
    in_papers = frame["network"].str.startswith("highway") & (frame["paper"].notna() | frame["paper_mean"].notna())
    return pd.concat([frame.loc[was_run], frame.loc[~was_run & in_papers]])


def conv_figure(records: Listed) -> Drawing:
    """Draw the test error of the convolutional networks by epoch, with the authors' own curves underneath.

    Thick lines are ours, means over runs; thin ones are the authors' logs. There is one panel per data set, and two for
    accuracy and loss of the Keras convolution post's network, as in the post's own figure.
    """
    ours = cells(records, named)
    panels = [_errors_panel(ours, data) for data in dict.fromkeys(data for _, data in ours)]
    for cell in (cell for (name, _), cell in ours.items() if name in POST):
        panels.append(_post_panel(cell, "accuracy", "accuracy of each run"))
        panels.append(_post_panel(cell, "cross_entropy", "cross-entropy of each run, nats"))
    return Drawing(panels, columns=2)


def _errors_panel(ours: dict[Named, Cell], data: str) -> Panel:
    chosen = {name: cell for (name, on), cell in ours.items() if on == data}
    colours, lines = _colours(list(chosen)), []
    for place, (name, cell) in enumerate(chosen.items()):
        if curves := [run.curves["test_accuracy"] for run in cell.runs if run.status == "finished"]:
            errors = 100 * (1 - np.mean(curves, axis=0))
            label = LABELS.get(name, name) + (f", {len(curves)} runs" if len(curves) > 1 else "")
            marker = POINTS[place % 8] if len(errors) < 50 else None
            lines.append(line(label, errors.tolist(), color=colours[name], lw=2.2, marker=marker))
    for dashes, name in zip(DASHES, [name for name, on in AUTHORS_LOGS if on == data], strict=False):
        theirs = {epoch: 100 * (1 - accuracy) for epoch, accuracy in authors_log(name, data).items() if epoch >= 1}
        lines.append(line(f"{name}, authors' log", theirs, **SOURCE | {"ls": dashes, "color": "0.35", "zorder": 1}))

    def scales(axes: Axes) -> None:
        axes.set_xscale("log")
        plain_ticks(axes.xaxis, subs=(1,))
        if axes.get_yscale() == "log":  # linear if all errors are zero
            plain_ticks(axes.yaxis)

    return line_panel(f"{data}: test error over epochs", lines, "epoch", "test error, %", scales)


def _post_panel(cell: Cell, of: str, label: str) -> Panel:
    """Draw a curve of the post's network, evaluated without dropout; the post evaluated with it in training."""
    name, _ = named(cell.runs[0])
    lines = [
        line(None if place else which, run.curves[f"{part}_{of}"], color=OTHERS[3], lw=1.3, ls=dashes)
        for place, run in enumerate(run for run in cell.runs if run.status == "finished")
        for part, which, dashes in (("train", "training", "-"), ("test", "test", "--"))
    ]
    return line_panel(f"{LABELS.get(name, name)}: {label}", lines, "epoch", label, log=False)


def _colours(names: list[str]) -> dict[str, str]:
    """Return a colour for each network: a shade of its kind's, or another if it is neither plain nor highway."""
    found = {}
    for kind in ("plain", "highway"):
        of_kind = [name for name in names if name.startswith(kind)]
        found |= {name: shade(kind, place, range(len(of_kind))) for place, name in enumerate(of_kind)}
    rest = [name for name in names if name not in found]
    return found | {name: OTHERS[(3 + place) % len(OTHERS)] for place, name in enumerate(rest)}


@in_units("points")
def difference_from_paper(
    records: Listed, network: str, data: str, other: str | None = None, rounding: float = 0.0
) -> Interval | None:
    """Return the interval of our mean accuracy on one data set minus the paper's on `data`, of `other` if given.

    If the paper states no mean, its number counts as one run with the deviation of Highway B (P2 Table 2), 0.0016. The
    interval is extended on both sides by the possible rounding of the paper's number.
    """
    row, theirs = published()[other or network, data], None
    if not math.isnan(row["paper_mean"]):
        theirs = row["paper_mean"], row["paper_sd"], int(row["paper_runs"])
    found = _difference(records, network, theirs or (row["paper"], 0.0016, 1))
    return found and found._replace(low=found.low - rounding, high=found.high + rounding)


@in_units("points")
def difference_from_log(records: Listed, network: str, data: str, epochs: tuple[int, int]) -> Interval | None:
    """Return our test accuracy minus that in the authors' log, means over epochs at the start of the same schedule.

    The interval goes from the lowest to the highest run; the range of epochs is inclusive.
    """
    begun = [cell for (name, _), cell in cells(records, named).items() if name.startswith(f"{network}{BEGUN}")]
    wanted, theirs = range(epochs[0], epochs[1] + 1), authors_log(network, data)
    runs = [run.curves["test_accuracy"] for cell in begun for run in cell.runs if run.epochs >= epochs[1]]
    differences = [float(np.mean([curve[epoch - 1] - theirs[epoch] for epoch in wanted])) for curve in runs]
    return Interval(min(differences), max(differences), tuple(differences)) if differences else None


@in_units("points")
def difference_of_networks(records: Listed, of: str, to: str) -> Interval | None:
    """Return the interval of the difference in mean accuracy between two networks."""
    last = last_accuracies(other) if (other := _cell(records, to)) else []
    return _difference(records, of, (*moments(last), len(last))) if last else None


def _cell(records: Listed, network: str) -> Cell | None:
    """Return the runs of a network on the first data set that it was trained on."""
    return next((cell for (name, _), cell in cells(records, named).items() if name == network), None)


def _difference(records: Listed, network: str, theirs: tuple[float, float, int]) -> Interval | None:
    """Return the interval of a network's mean accuracy minus another mean with known deviation and number of runs."""
    if (cell := _cell(records, network)) is None:
        return None
    last, tested = last_accuracies(cell), examples(cell.runs[0].config.data, "test")
    interval = difference_interval((*moments(last), len(last)), theirs, tested)
    return Interval(*interval, tuple(accuracy - theirs[0] for accuracy in last))


@in_units("parameters")
def built_parameters(records: Listed, network: str, data: str) -> float:
    """Return the number of parameters of a network, counted on one built for a data set; nothing is trained."""
    return sum(parameter.numel() for parameter in built(network, data)[0].parameters())


@in_units("multiplications")
def built_multiplications(records: Listed, network: str, data: str) -> float:
    """Return a network's multiplications for one image, counted on one built for a data set; nothing is trained."""
    module, shape = built(network, data)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module.eval()(torch.zeros(1, *shape))
    return counter.get_total_flops() // 2  # the counter includes the additions


def answer(records: Listed) -> Iterator[str]:
    """State every network's test accuracy, and the paper's if it has one on these data."""
    parts = []
    for row in conv_rows(records):
        if row["runs"]:
            paper = "" if row["paper"] is None or math.isnan(row["paper"]) else f" (paper {row['paper']:.4f})"
            parts.append(f"`{row['network']}` on {row['data']} {row['accuracy_last_mean']:.4f}{paper}")
    if parts:
        yield f"Test accuracy after the last epoch: {'; '.join(parts)}."


CONV = Experiment(
    title="Convolutional highway networks on MNIST and CIFAR",
    schema=ConvProfile,
    tables=(
        Table(
            "conv",
            conv_rows,
            "Convolutional highway networks (P1 Table 1, P2 Tables 1 to 3, the Keras convolution post)",
            shown={
                "network": "network",
                "data": "data",
                "parameters": "parameters",
                "paper_parameters": "parameters, paper",
                "epochs": "epochs",
                "accuracy_last_each": "accuracy after the last epoch, each run",
                "authors_log_same_epoch": "the authors' log, same epoch (its rate not lowered yet)",
                "paper_mean": "paper, mean",
                "paper": "paper, best",
            },
            rows=run_first,
        ),
    ),
    figures={"conv": conv_figure},
    references=("conv_papers.csv", *(f"authors_log_{name}.csv" for name, _ in AUTHORS_LOGS.values())),
    answer=answer,
)
