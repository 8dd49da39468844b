"""Weights in the repository: a few networks, in `results/<profile>/weights/<run_key>.pt`, and their card."""

import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from highways import paths
from highways.data import load
from highways.errors import HighwaysError
from highways.files import file_sha256, write_all, write_whole
from highways.nn import build_network
from highways.report.render import render
from highways.tracking.records import RecordStore, RunRecord
from highways.training.checkpoints import load_weights, read_weights, weights_in_git, weights_path, weights_sha256


@torch.no_grad()
def scores(record: RunRecord, weights: Mapping[str, Tensor]) -> tuple[float, float]:
    """Evaluate weights in a run's network; return training cross-entropy in nats, and test accuracy as a fraction."""
    data = load(record.config.data)
    network = build_network(record.config, data).eval()
    network.load_state_dict(weights)
    loss = hits = 0.0
    for x, y in data.evaluation_batches(record.config, "train"):
        loss += float(torch.nn.functional.cross_entropy(network(x).double(), y, reduction="sum"))
    for x, y in data.evaluation_batches(record.config, "test"):
        hits += int((network(x).argmax(dim=-1) == y).sum())
    return loss / data.size("train"), hits / data.size("test")


def keep(run_keys: Sequence[str], half: bool = False) -> list[Path]:
    """Copy the weights of recorded runs from `checkpoints/` to their profiles' folders, and write the cards.

    If several profiles have the run's record, one that already keeps weights is preferred, then one with parameters.
    Weights that differ from the record's (retrained on another processor, or stored as float16 with `half`) are kept as
    well, and the card says so.
    """
    copies: dict[Path, bytes] = {}  # written only once all are available
    for run_key in run_keys:
        source = weights_path(run_key)
        if not source.exists() and (home := weights_in_git(run_key)) is not None:
            raise HighwaysError(f"{run_key}: its weights are kept already, at {paths.shown(home)}")
        if not source.exists() or (state := load_weights(run_key, None)) is None:
            cure = f"`highways run {run_key} --weights` trains the run again for them"
            raise HighwaysError(f"{run_key}: no weights at {paths.shown(source)}; {cure}")
        profiles = [path.parents[2] for path in RecordStore.copies(run_key)]
        profiles.sort(key=lambda path: ((path / "weights").exists(), (paths.root() / "profiles" / path.name).exists()))
        content = io.BytesIO()
        torch.save({name: tensor.half() for name, tensor in state.items()}, content)
        copies[profiles[-1] / "weights" / f"{run_key}.pt"] = content.getvalue() if half else source.read_bytes()
    write_all(copies)
    for folder in {home.parent for home in copies}:
        write_whole(folder / "README.md", card(folder))
    return list(copies)


def card(folder: Path) -> str:
    """Return the card of a profile's weights, computed from the weights and their records."""
    rows, records = [], RecordStore.everywhere([folder.parent.name, "*"])
    for path in sorted(folder.glob("*.pt")):
        if path.stem not in records:
            raise HighwaysError(f"{paths.shown(path)}: weights of a run that has no record")
        record, state = RunRecord.read(records[path.stem]), read_weights(path)
        own, link = weights_sha256(state), os.path.relpath(records[path.stem], folder)
        row = {"record": record, "link": link, "scores": scores(record, state), "sha256": own}
        rows.append(row | {"same": own == record.weights_sha256, "sha256_of_file": file_sha256(path)})
    return render("weights.md.j2", profile=folder.parent.name, rows=rows)
