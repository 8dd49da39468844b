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
)
