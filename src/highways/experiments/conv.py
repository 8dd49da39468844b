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
from highways.config import BudgetConfig, CaffeConfig, ConvConfig, DataConfig, PicturesConfig, Profile, RunConfig
from highways.config.base import Epochs, Strict, Trials, no_repetition
from highways.config.conv import NETWORKS
from highways.config.data import PictureData
from highways.config.run import AdamConfig
from highways.data import classes, examples
from highways.experiments.base import Experiment, Table
from highways.inside.statistics import difference_interval, each, mean_interval, moments
from highways.nn import ConvNetwork
from highways.show.figures import DASHES, OTHERS, POINTS, SOURCE, Drawing, Panel, line, line_panel, plain_ticks, shade
from highways.show.tables import Row, reference_rows
from highways.tracking import Listed, RunRecord
from highways.tracking.outcomes import Cell, cells, diverged

Precision = Literal["float32", "bfloat16"]
Named = tuple[str, str]
"""A network's name and a data set's."""


def _known(name: str) -> str:
    if name not in NETWORKS:
        raise ValueError(f"no such network; there are: {', '.join(NETWORKS)}")
    return name


class ConvTraining(Strict):
    """Which convolutional network is trained on what, for how long, how often."""

    network: Annotated[str, AfterValidator(_known)]
    """A name in `highways.config.conv.NETWORKS`."""
    data: PictureData
    epochs: Epochs
    runs: Trials
    """Seeds 0, 1, ...: each draws weights, dropout, order and augmentation."""
    precision: Precision | None = None
    """By default the profile's."""
    schedule_epochs: Epochs | None = None
    """Length of the rate's schedule, if `epochs` are only its beginning: to compare curves with the authors' logs."""


def _each_once(trainings: list[ConvTraining]) -> list[ConvTraining]:
    no_repetition([(one.network, getattr(one.data, "name", one.data), one.schedule_epochs) for one in trainings])
    return trainings


class ConvProfile(Profile):
    """Parameters of `03_conv`: the convolutional networks of P1 Table 1, P2 Tables 1 to 3, the Keras convolution post.

    How a network is trained follows from what it is and from the data (`recipe`): as the authors' released
    solvers say, on MNIST for 300 and on CIFAR for 400 epochs; with fewer epochs the schedule keeps its shape.
    """

    experiment: ClassVar[str] = "03_conv"

    trainings: Annotated[list[ConvTraining], AfterValidator(_each_once), Field(min_length=1)]
    precision: Precision = "float32"

    def runs(self) -> list[RunConfig]:
        """Return every training's runs, in the order of the trainings and seeds."""
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
    """Return the data set that a network was made for."""
    return "mnist" if "mnist" in name or name in LABELS else "cifar10"


def recipe(name: str, data: str | DataConfig) -> tuple[ConvConfig, PicturesConfig, CaffeConfig | AdamConfig, int]:
    """Return how a network is trained on a data set: the network, the pictures, the optimiser, the batch size.

    The networks of P1 Table 1 and P2 Table 2 (A, 2, C, 3, 4, their plain twins, the Fitnets) have translations only,
    Highway 3 and 4 the first 40,000 images only, as the papers say; the others mirror images, too, as released. Images
    of the user's own are shown as those that the network was made for.

    Source: examples/*/solver.prototxt and network.prototxt of flukeskywalker/highway-networks (rate .01 with
    steps at 1/3 and 2/3 on MNIST; .025 with steps at 1/2, 3/4 and 7/8 on CIFAR; batches of 100); the Keras
    convolution post (Adam with Keras's settings, batches of 32, pixels from 0 to 255).
    """
    network, data = NETWORKS[name], home(name) if isinstance(data, DataConfig) else data
    if name in POST:
        adam = AdamConfig(kind="adam", learning_rate=1e-3, epsilon=1e-7 if name == "keras-post" else 1e-8)
        return network, PicturesConfig(scale=1.0), adam, 32
    slow = CaffeConfig(kind="caffe", learning_rate=0.01, milestones=(1 / 3, 2 / 3))
    fast = CaffeConfig(kind="caffe", learning_rate=0.025, milestones=(1 / 2, 3 / 4, 7 / 8))
    if data in ("cifar10", "cifar100"):
        kind = name.removeprefix("highway-").removeprefix("plain-")
        pictures = PicturesConfig(
            scale=1 / 255,
            contrast=True,
            mean_image=True,
            pad=8,
            mirror=kind not in ("2", "a", "c", "3", "4", "fitnet-1", "fitnet-4"),
            training_images=40_000 if kind in ("3", "4") else None,
        )
        if data == "cifar100":  # the one released network whose classifier is drawn like its other layers
            network = network.model_copy(update={"classifier_std": None})
        return network, pictures, fast, 100
    optimiser = fast if name == "highway-mnist-32-short" else slow
    if data == "digits":  # a stand-in, 8x8: enlarged to what the network can pool three times, more steps an epoch
        return network, PicturesConfig(enlarge=3), optimiser, 10
    return network, PicturesConfig(), optimiser, 100


LABELS = {"seed-003": "keras-post, epsilon 1e-8"}
"""Names of networks where they are shown, if others than in their records."""

POST = ("keras-post", *LABELS)
"""Networks that are the Keras convolution post's."""

SHAPES = {"digits": (1, 8, 8), "mnist": (1, 28, 28), "cifar10": (3, 32, 32), "cifar100": (3, 32, 32)}
"""Channels, height and width of the images."""


def built(network: str, data: str) -> tuple[ConvNetwork, tuple[int, int, int]]:
    """Return an untrained network for a data set, and the shape of its images, by its description."""
    described, pictures, _, _ = recipe(network, data)
    channels, height, width = SHAPES[data]
    shape = channels, height * pictures.enlarge, width * pictures.enlarge
    return ConvNetwork(described, shape, classes(data)), shape


BEGUN = ", schedule of "
"""In the name of a network that was trained for the beginning of its schedule alone."""


def named(run: RunRecord) -> Named:
    """Return the names of a run's network and data set; a schedule that was not run to its end is in the first."""
    network, budget = run.config.network, run.config.budget
    assert isinstance(network, ConvConfig)
    begun = f"{BEGUN}{budget.scheduled}" if budget.scheduled > budget.epochs else ""
    return network.name + begun, run.config.data.name


def last_accuracies(cell: Cell) -> list[float]:
    """Return the test accuracy of each run after its last epoch, as the papers have it; one that diverged guesses."""
    guess = 1 / classes(cell.runs[0].config.data)
    return [run.curves["test_accuracy"][-1] if run.status == "finished" else guess for run in cell.runs]


def published() -> dict[Named, Row]:
    """Return the papers' accuracies by network and data set."""
    return {(row["network"], row["data"]): row for row in reference_rows("conv_papers.csv")}


AUTHORS_LOGS = {
    ("highway-mnist-32", "mnist"): ("mnist", 600),
    ("highway-b", "cifar10"): ("cifar10", 500),
    ("highway-b, first release", "cifar10"): ("cifar10_v1", 500),  # with 100 outputs, by mistake
    ("highway-b", "cifar100"): ("cifar100", 500),
}
"""The authors' own test curves, by network and data set: where they lie, and their iterations an epoch."""


def authors_log(network: str, data: str) -> dict[float, float]:
    """Return test accuracies in the authors' own log by epoch; empty where they published none."""
    name, iterations = AUTHORS_LOGS.get((network.partition(BEGUN)[0], data), ("", 1))
    rows = reference_rows(f"authors_log_{name}.csv") if name else []
    return {row["iteration"] / iterations: row["test_accuracy"] for row in rows}


def conv_rows(records: Listed) -> Iterator[Row]:
    """Yield a row for each network that is described, on each data set that it was run or published on.

    Accuracies are those after the last epoch, as in the papers; a run that diverged is guessing. The interval is
    the mean's: Student's of five runs or more, Wilson's for one; a few runs stand there each by itself.
    `authors_log_same_epoch` is the accuracy in the authors' own log after as many epochs as ours had; their rate had
    not been lowered yet there, ours had, unless ours had all its epochs or was at the beginning of its schedule, too.
    What others published stands below.
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
            "paper": paper.get("paper"),
            "paper_mean": paper.get("paper_mean"),
            "paper_sd": paper.get("paper_sd"),
            "authors_log_same_epoch": authors_log(network, data).get(float(cell.epochs)) if cell else None,
            "note": paper.get("note"),
        }


def _order(run: list[Named], others: list[Named]) -> list[Named]:
    """Order the rows' networks and data sets: those run or published, then the others on their own data set."""
    known, names = list(dict.fromkeys([*run, *others])), {name for name, _ in [*run, *others]}
    known += [(name, home(name)) for name in NETWORKS if name not in names]
    order, data_sets = [*NETWORKS, *(name for name, _ in known)], [*SHAPES, *(data for _, data in known)]
    places = {(name, data): (order.index(name.partition(BEGUN)[0]), data_sets.index(data)) for name, data in known}
    return sorted(known, key=lambda pair: (pair not in run, places[pair], pair))


def run_first(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the networks that were run, then those with a number in the papers, for the report."""
    was_run = frame["runs"].notna()
    in_papers = frame["network"].str.startswith("highway") & (frame["paper"].notna() | frame["paper_mean"].notna())
    return pd.concat([frame.loc[was_run], frame.loc[~was_run & in_papers]])


def conv_figure(records: Listed) -> Drawing:
    """Draw the test error of the convolutional networks over epochs, the authors' own curves underneath.

    Ours are the thick lines, means over runs; the authors' logs are the thin ones. One panel a data set, and one of the
    losses of the Keras convolution post's network, which are the post's own figure.
    """
    ours = cells(records, named)
    errors = [_errors_panel(ours, data) for data in dict.fromkeys(data for _, data in ours)]
    return Drawing(errors + [_losses_panel(name, ours[name, data]) for name, data in ours if name in POST], columns=2)


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
        if axes.get_yscale() == "log":  # not of errors that are all zero
            plain_ticks(axes.yaxis)

    return line_panel(f"{data}: test error over epochs", lines, "epoch", "test error, %", scales)


def _losses_panel(name: str, cell: Cell) -> Panel:
    losses = ("train_cross_entropy", "training", "-"), ("test_cross_entropy", "test", "--")
    lines = [
        line(None if place else label, run.curves[curve], color=OTHERS[3], lw=1.3, ls=dashes)
        for place, run in enumerate(run for run in cell.runs if run.status == "finished")
        for curve, label, dashes in losses
    ]
    title = f"{LABELS.get(name, name)}: cross-entropy over epochs, each run"
    return line_panel(title, lines, "epoch", "cross-entropy, nats", log=False)


def _colours(names: list[str]) -> dict[str, str]:
    """Return a colour a network: shades of its kind's, others for what is neither plain nor highway."""
    found = {}
    for kind in ("plain", "highway"):
        of_kind = [name for name in names if name.startswith(kind)]
        found |= {name: shade(kind, place, range(len(of_kind))) for place, name in enumerate(of_kind)}
    rest = [name for name in names if name not in found]
    return found | {name: OTHERS[(3 + place) % len(OTHERS)] for place, name in enumerate(rest)}


SINGLE_RUN_SD = 0.0016
"""Deviation from run to run of a CIFAR-10 network, P2 Table 2's of Highway B."""


@in_units("points")
def difference_from_paper(
    records: Listed, network: str, data: str, other: str | None = None, rounding: float = 0.0
) -> Interval | None:
    """Return the interval of our mean accuracy on one data set less the paper's on `data`, of `other` if given.

    Where the paper states no mean, its number is taken for one run with the deviation of Highway B (P2), 0.0016. The
    interval is wider on both sides by what the paper's number may have been rounded.
    """
    row, theirs = published()[other or network, data], None
    if not math.isnan(row["paper_mean"]):
        theirs = row["paper_mean"], row["paper_sd"], int(row["paper_runs"])
    found = _difference(records, network, theirs or (row["paper"], SINGLE_RUN_SD, 1))
    return found and found._replace(low=found.low - rounding, high=found.high + rounding)


@in_units("points")
def difference_from_log(records: Listed, network: str, data: str, epochs: tuple[int, int]) -> Interval | None:
    """Return our test accuracy less that in the authors' log, means over epochs at the beginning of the same schedule.

    The interval goes from the lowest to the highest run, both ends of the epochs count.
    """
    begun = [cell for (name, _), cell in cells(records, named).items() if name.startswith(f"{network}{BEGUN}")]
    wanted, theirs = range(epochs[0], epochs[1] + 1), authors_log(network, data)
    runs = [run.curves["test_accuracy"] for cell in begun for run in cell.runs if run.epochs >= epochs[1]]
    differences = [float(np.mean([curve[epoch - 1] - theirs[epoch] for epoch in wanted])) for curve in runs]
    return Interval(min(differences), max(differences), tuple(differences)) if differences else None


@in_units("points")
def difference_of_networks(records: Listed, of: str, to: str) -> Interval | None:
    """Return the interval of the difference in mean accuracy of two networks."""
    if (other := _cell(records, to)) is None:
        return None
    last = last_accuracies(other)
    return _difference(records, of, (*moments(last), len(last)))


def _cell(records: Listed, network: str) -> Cell | None:
    """Return the runs of a network on the first data set that it was trained on."""
    return next((cell for (name, _), cell in cells(records, named).items() if name == network), None)


def _difference(records: Listed, network: str, theirs: tuple[float, float, int]) -> Interval | None:
    """Return the interval of a network's mean accuracy less another mean, whose deviation and runs are known."""
    if (cell := _cell(records, network)) is None:
        return None
    last, tested = last_accuracies(cell), examples(cell.runs[0].config.data, "test")
    interval = difference_interval((*moments(last), len(last)), theirs, tested)
    return Interval(*interval, tuple(accuracy - theirs[0] for accuracy in last))


@in_units("parameters")
def built_parameters(records: Listed, network: str, data: str) -> float:
    """Return the parameters of a network, counted on one built for a data set; nothing is trained."""
    return sum(parameter.numel() for parameter in built(network, data)[0].parameters())


@in_units("multiplications")
def built_multiplications(records: Listed, network: str, data: str) -> float:
    """Return how often a network multiplies for an image, counted on one built for a data set; nothing is trained."""
    module, shape = built(network, data)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module.eval()(torch.zeros(1, *shape))
    return counter.get_total_flops() // 2  # it counts the additions, too


def answer(records: Listed) -> Iterator[str]:
    """Say every network's test accuracy, with the papers' where they have one on these data."""
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
    references=(
        "conv_papers.csv",
        "authors_log_cifar10.csv",
        "authors_log_cifar10_v1.csv",
        "authors_log_cifar100.csv",
        "authors_log_mnist.csv",
    ),
    answer=answer,
)
