"""Transform gates of 50-layer highway networks (P1 Fig. 2, P2 Figs. 2 and 3)."""

from highways.experiments.base import Experiment, Table
from highways.experiments.gates import measures
from highways.experiments.gates.figure import gates_figure
from highways.experiments.gates.profile import GatesProfile
from highways.experiments.gates.sentences import answer
from highways.experiments.gates.tables import gates_cost, gates_table
from highways.show.tables import few_layers, some_layers

GATES = Experiment(
    name="04_gates",
    title="Transform gates of 50-layer highway networks",
    schema=GatesProfile,
    tables=(
        Table(
            "gates",
            gates_table,
            gates_cost,
            "Transform gates layer by layer (P1 Fig. 2, P2 Figs. 2 and 3)",
            shown={
                "data": "data",
                "layer": "layer",
                "bias_mean": "transform bias",
                "paper_bias_mean": "transform bias, P1's",
                "mean_gate": "mean gate",
                "paper_mean_gate": "mean gate, P1's",
                "change": "change of the state",
                "routing": "difference by class",
                "paper_data": "P1's data",
            },
            rows=some_layers,
            plot=("layer", "mean_gate"),
            main=few_layers,
        ),
    ),
    figures={"gates": gates_figure},
    measures=(
        measures.mean_bias_change,
        measures.share_of_biases_below_start,
        measures.trend_over_layers,
        measures.bias_gate_correlation,
        measures.share_in_first_layers,
        measures.difference_in_first_layers,
        measures.gate_over_bias,
        measures.share_of_open_gates,
        measures.share_of_an_examples_gates,
        measures.difference_of_an_examples_gates,
    ),
    after=("01_depth",),
    references=("highway2015_fig2_layer_means.csv",),
    answer=answer,
    easy="""\
The figure is of numbers that any trained network has; P1's are colours of a bitmap, which can be read back through the
colour map.""",
    difficult="""\
How the papers' networks were trained is not said, and gates depend on it: how far biases move is a matter of the
length of the training and of the decay. On CIFAR-100 a search by its first ten epochs finds no network that trains as
theirs does (`weekend`): the best trial diverges in its 39th epoch, and the other two end at a training cross-entropy
of 2.35 and 3.32, where P2's lesioned network has 0.0059. What does not replicate there is of a network that has
learned less.""",
    notes="""\
P1 gives width, depth and transform bias of the networks of its Fig. 2 and nothing else of their training; its
lesioned network on MNIST has the loss of its best 50-layer one. Ours have the settings of the best 50-layer highway
networks of `01_depth` (profile `laptop`: 60 epochs, CIFAR-10 in CIFAR-100's place) or of a search with the papers'
bias (`weekend`: their 400 epochs, their data). The papers say that most biases fall from where they start, on both
data sets. Layers count from 1, the first highway block of 49. Untrained networks meet nine of the criteria already:
that gates of early layers are more open than those of late ones, that one example's are sparse, and sparser on
CIFAR-100, that on MNIST state and routing change early and on CIFAR-100 later. Such a claim counts at full length only,
and tells less of what training does than those of biases, which are equal before it.
""",
)
