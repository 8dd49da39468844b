"""What a person reads of runs in MLflow: names that differ early, notes, colours, and the data set as an input."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from highways.config import RunConfig
from highways.tracking.environment import git_commit
from highways.tracking.mlflow_metrics import Outcome, best_of_cells
from highways.tracking.records import RunRecord

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput

NOTE = "mlflow.note.content"
COLOUR = "mlflow.runColor"
DIGEST_LENGTH = 36
"""Characters that MLflow keeps of a data set's digest."""
ROWS = 60
"""Of the table in a sweep's note, at most: MLflow takes 8,000 characters."""
_COLOURS = {"plain": "#b2182b", "highway": "#2166ac", "plain-matched": "#ef8a62"}
_OTHERS = ("#b8860b", "#1b7837", "#762a83", "#5aae61", "#636363")


def colour(kind: str) -> str:
    """Return the colour of a kind of network: that of the figures, the same for every run of it."""
    return _COLOURS.get(kind) or _OTHERS[sum(kind.encode()) % len(_OTHERS)]


def run_name(config: RunConfig, key: str) -> str:
    """Return a run's name: what differs first comes first, and the end of its key makes it unlike all others."""
    network, optimiser = config.network, config.optimiser
    parts = [f"d{network.depth:03d}", network.shown_as, f"s{config.seed}", f"lr{optimiser.learning_rate:.2g}"]
    if network.transform_bias is not None:
        parts.append(f"b{network.transform_bias:.2g}")
    parts += [*network.slug_parts(optimiser.kind), config.data.name]
    return " ".join([*parts, f"#{key[-12:][:4]}"])


def described(config: RunConfig) -> str:
    """Return what was trained, in words."""
    network = config.network
    layers = "layer" if network.depth == 1 else "layers"
    return f"{network.shown_as} network of {network.depth} {layers} on {config.data.name}"


def started_note(config: RunConfig, experiment: str, profile: str) -> str:
    """Return the note of a run that is being trained."""
    budget = f"{config.budget.epochs} epochs of batches of {config.budget.batch_size}"
    return f"A run of `{experiment}` ({profile}): **{described(config)}**, {budget}, seed {config.seed}."


def finished_note(record: RunRecord, experiment: str, profile: str) -> str:
    """Return the note of a run that has a record."""
    lines = [started_note(record.config, experiment, profile)]
    if record.status == "diverged":
        lines.append(f"**It diverged** in epoch {record.diverged_epoch}: a loss was not finite any more.")
    elif (best := record.best()) is not None:
        accuracy = record.last("test_accuracy")
        tested = "" if accuracy is None else f", test accuracy at the end {accuracy:.4f}"
        lines.append(f"Best training cross-entropy {best:.4g}{tested}.")
    seconds, together = record.timing["seconds"], int(record.engine.get("group", 1))
    shared = f", its share of the {record.timing['group_seconds']:.0f} s of {together} runs trained together"
    lines.append(
        f"It took {seconds:.4g} s{shared if together > 1 else ''}; that is the duration shown. "
        f"{record.parameters:,} weights and biases."
    )
    lines.append(f"Record: `results/{profile}/{experiment}/runs/{record.run_key}.json`, the artifact `record.json`.")
    return "\n\n".join(lines)


def sweep_note(outcomes: Sequence[Outcome], experiment: str, profile: str) -> str:
    """Return the note of a sweep: the parent of its runs."""
    lines = [
        f"The sweep `{experiment}@{profile}`: **parent of {len(outcomes)} runs**; it trained nothing itself. "
        "Its children are the runs; its artifacts are the tables, figures and analyses; its metrics sum up the "
        "children: `summary/...` over all, `by depth/...` the best of each network, the depth in place of the epoch.",
        "Best run of each network (lowest training cross-entropy):",
    ]
    rows = ["| data | network | depth | training cross-entropy | test accuracy |", "|---|---|---|---|---|"]
    for best in best_of_cells(outcomes)[:ROWS]:
        loss = "none" if best.loss is None else f"{best.loss:.4g}"
        shown = (
            best.data,
            best.network,
            str(best.depth),
            loss,
            "" if best.accuracy is None else f"{best.accuracy:.4f}",
        )
        rows.append(f"| {' | '.join(shown)} |")
    return "\n\n".join([*lines, "\n".join(rows)])


def provenance(experiment: str, profile: str) -> dict[str, str]:
    """Return the tags that say where a run comes from: commit, notebook, stage."""
    return {
        "git_commit": git_commit(),
        "mlflow.source.git.commit": git_commit().removesuffix("-dirty"),
        "mlflow.source.name": f"notebooks/{experiment}.ipynb",
        "dvc_stage": os.environ.get("DVC_STAGE", f"{experiment}@{profile}"),
    }


def settings(config: RunConfig) -> dict[str, str]:
    """Return a configuration as MLflow's parameters."""
    return {name: str(value) for name, value in config.flat().items() if value is not None}


def data_input(config: RunConfig, fingerprint: str) -> DatasetInput:
    """Return a run's data set as MLflow's input of it, its fingerprint as the digest.

    MLflow keeps 36 characters of a digest; the whole fingerprint is in the source.
    """
    from mlflow.entities import Dataset, DatasetInput, InputTag

    source = {"highways": config.data.model_dump(mode="json", exclude_none=True), "fingerprint": fingerprint}
    data = Dataset(
        name=config.data.name,
        digest=fingerprint[:DIGEST_LENGTH],
        source_type="highways",
        source=json.dumps(source, sort_keys=True),
    )
    return DatasetInput(data, [InputTag("mlflow.data.context", "training and test")])
