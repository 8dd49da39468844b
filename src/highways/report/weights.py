"""Weights in the repository: those of a few networks, `results/<profile>/weights/<run_key>.pt`, and their card."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from highways import paths
from highways.data import load
from highways.errors import HighwaysError
from highways.files import write_whole
from highways.report.render import render
from highways.tracking.records import RecordStore, RunRecord, write_atomically
from highways.training.building import build_network
from highways.training.checkpoints import load_weights, weights_path, weights_sha256


@torch.no_grad()
def scores(record: RunRecord, weights: Mapping[str, Tensor]) -> tuple[float, float]:
    """Return the cross-entropy on the training part, nats, and the accuracy on the test part, a fraction.

    Args:
        record: The run, for its network and its data.
        weights: Weights for that network.
    """
    data = load(record.config.data)
    network = build_network(record.config, data).eval()
    network.load_state_dict(weights)
    loss = hits = count = 0.0
    for x, y in data.evaluation_batches(record.config, "train"):
        loss += float(torch.nn.functional.cross_entropy(network(x).double(), y, reduction="sum"))
        count += len(y)
    for x, y in data.evaluation_batches(record.config, "test"):
        hits += int((network(x).argmax(dim=-1) == y).sum())
    return loss / count, hits / data.size("test")


def keep(run_keys: Sequence[str]) -> list[Path]:
    """Copy the weights of runs from `checkpoints/` into the folders of their profiles, and write the cards.

    Of several profiles that have a run's record the first takes its weights, one with parameters before any other.
    Weights that are not the record's to the bit (trained again on another processor) are kept, too: the card says it.

    Args:
        run_keys: Of runs that have a record.

    Returns:
        The paths of the copies.

    Raises:
        HighwaysError: There are no weights in `checkpoints/<run_key>`, or they or the record are damaged.
    """
    copies = {_home(run_key): weights_path(run_key).read_bytes() for run_key in run_keys}
    for home, content in copies.items():
        write_whole(home, content)
    for folder in {home.parent for home in copies}:
        write_atomically(folder / "README.md", card(folder))
    return list(copies)


def _home(run_key: str) -> Path:
    """Return where the weights of a run are kept in the repository, once they have been found intact."""
    source = weights_path(run_key)
    if not source.exists() or load_weights(run_key, None) is None:
        raise HighwaysError(
            f"{run_key}: no weights at {paths.shown(source)}; "
            f"`highways run {run_key} --weights` trains the run again for them"
        )
    profiles = [path.parents[2] for path in RecordStore.copies(run_key)]
    return (
        min(profiles, key=lambda path: (not (paths.root() / "profiles" / path.name).exists(), path))
        / "weights"
        / f"{run_key}.pt"
    )


def card(folder: Path) -> str:
    """Return the card of a profile's weights, which it computes from them and their records."""
    rows = []
    for path in sorted(folder.glob("*.pt")):
        record_path = min(folder.parent.glob(f"*/runs/{path.stem}.json"), default=None) or RecordStore.find(path.stem)
        if record_path is None:
            raise HighwaysError(f"{paths.shown(path)}: weights of a run that has no record")
        record, state = RunRecord.read(record_path), torch.load(path, map_location="cpu", weights_only=True)
        loss, accuracy = scores(record, state)
        rows.append(
            {
                "run": f"[{record.run_key}]({os.path.relpath(record_path, folder)})",
                "final training cross-entropy, nats, in the record": f"{record.last('train_cross_entropy'):.6g}",
                "of these weights": f"{loss:.6g}",
                "test accuracy in the record": f"{record.last('test_accuracy'):.4f}",
                "of these weights ": f"{accuracy:.4f}",
                "the record's weights": "yes" if (own := weights_sha256(state)) == record.weights_sha256 else "no",
                "sha256 of the weights": own,
                "sha256 of the file": hashlib.sha256(path.read_bytes()).hexdigest(),
            }
        )
    return render(
        "weights.md.j2", profile=folder.parent.name, heads=list(rows[0]), rows=[[*row.values()] for row in rows]
    )
