"""`highways touch`: one offline page on which a reader can inspect and lesion a trained dense network."""

import base64
import os
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from highways import paths
from highways.config import DenseConfig
from highways.data import Images, load
from highways.errors import HighwaysError
from highways.files import write_whole
from highways.nn import build_network
from highways.report.render import render
from highways.report.weights import scores
from highways.tracking.records import RecordStore, RunRecord
from highways.training.checkpoints import load_weights, weights_sha256

PICTURES = {"mnist": (28, 20, 255), "digits": (8, 8, 16)}
"""By data set: side of an image and of the box that a drawn digit is scaled to, in pixels, and grey steps."""
OF_EACH_CLASS = 4
"""Number of test examples on the page, the first of each class."""


def touch(highway: Path, plain: Path | None = None, output: Path | None = None) -> Path:
    """Write the page of a highway network, and a plain one for comparison, from their records; return its path."""
    home = output or paths.root() / "docs" / "touch.html"
    networks = [_network(highway, "highway", home), *([_network(plain, "plain", home)] if plain else [])]
    if len({network["data"] for network in networks}) > 1:
        raise HighwaysError(f"{highway.stem} and {plain and plain.stem} are not trained on the same data")
    name = networks[0]["data"]
    data = load(name)
    assert isinstance(data, Images)
    side, box, steps = PICTURES[name]
    chosen = torch.cat([(data.y["test"] == digit).nonzero()[:OF_EACH_CLASS, 0] for digit in range(data.classes)])
    pixels = (data.x["test"][chosen] * steps).round().to(torch.uint8).numpy()
    page = {"side": side, "box": box, "steps": steps, "networks": networks}
    page |= {"labels": data.y["test"][chosen].tolist(), "pixels": packed(pixels.tobytes())}
    shown = name.upper() if name == "mnist" else name
    write_whole(home, render("touch.html.j2", page=page, networks=networks, data=shown, examples=len(chosen)))
    return home


def packed(content: bytes) -> str:
    """Compress bytes with deflate and encode them as base64."""
    return base64.b64encode(zlib.compress(content, 9)).decode()


def halves(state: Mapping[str, torch.Tensor], names: Iterable[str]) -> bytes:
    """Return the named weights, in this order, as float16: first all low bytes, then all high bytes.

    Separated, the high bytes (sign, exponent) compress by a third; interleaved bytes hardly compress.
    """
    values = torch.cat([tensor.flatten() for tensor in map(state.__getitem__, names)]).half().numpy().astype("<f2")
    return np.ascontiguousarray(values.view(np.uint8).reshape(-1, 2).T).tobytes()


def _network(path: Path, kind: Literal["highway", "plain"], home: Path) -> dict[str, Any]:
    """Return the page's data of a network: sizes, weights, and values from its record."""
    record = RunRecord.read(path)
    if not is_touchable(record):
        raise HighwaysError(f"{path.stem}: no dense network of {' or '.join(PICTURES)}; {touchable_line()}")
    network = record.config.network
    if network.kind != kind:
        raise HighwaysError(f"{path.stem}: a {network.kind} network where a {kind} one is wanted; {touchable_line()}")
    if (state := load_weights(record.run_key, record.weights_sha256)) is None:
        raise HighwaysError(f"{path.stem}: its weights are not kept here; {touchable_line()}")
    sha256 = weights_sha256(state)
    names = build_network(record.config, load(record.config.data)).state_dict()  # a population's order differs
    again = None if sha256 == record.weights_sha256 else scores(record, state)
    return {
        "key": record.run_key,
        "data": record.config.data.name,
        **{name: getattr(network, name) for name in ("kind", "depth", "width", "first", "activation")},
        "weights": packed(halves(state, names)),
        "record": os.path.relpath(path, home.resolve().parent),
        "loss": record.last("train_cross_entropy"),
        "accuracy": record.last("test_accuracy"),
        "sha256": sha256,
        "trained_again": again and {"loss": again[0], "accuracy": again[1]},
    }


def is_touchable(record: RunRecord) -> bool:
    """Tell whether a page can show a record's network, given its weights."""
    return isinstance(record.config.network, DenseConfig) and record.config.data.name in PICTURES


def touchable_line() -> str:
    """Return the end of a message that lists networks that can be touched: dense ones with weights stored here."""
    kept = {path.parent.name for path in (paths.root() / "checkpoints").glob("*/final.pt")}
    kept |= {path.stem for path in (paths.root() / "results").glob("*/weights/*.pt")}
    recorded = RecordStore.everywhere()
    keys = [key for key in sorted(kept & recorded.keys()) if is_touchable(RunRecord.read(recorded[key]))]
    if not keys:
        return "there is none that can be touched; `highways run KEY --weights` trains one for its weights"
    return f"these can be touched: {', '.join(keys[:6])}{' and others' if len(keys) > 6 else ''}"
