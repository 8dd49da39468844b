"""What a group of runs holds in memory while it trains, reckoned before it starts."""

from __future__ import annotations

import os

import torch

from highways.config import DenseConfig, RunConfig
from highways.data.images import EVALUATION_BATCH
from highways.errors import HighwaysError
from highways.training import device as devices
from highways.training.rules import RULES

FLOAT = 4
"""Bytes of a float32."""
SHARE = 0.8
"""Of the memory that there is, what populations may fill."""
PROCESS_BYTES = 600 * 2**20
"""Of a process that trains, beside its data: 523 MiB are what it imports, Python, torch, Lightning and MLflow."""


def population_bytes(config: RunConfig, members: int, features: int, classes: int, device: str = "cpu") -> int:
    """Return the bytes that a population holds in a step or in an evaluation, whichever has more.

    Weights, the optimiser's state, the activations of all layers that are kept for the backward pass (of a segment,
    with activation checkpointing), gradient buffers; see `highways.nn.population`, whose buffers these are.

    Args:
        config: Of a member; a dense network.
        members: Networks of the population.
        features: Features of an example.
        classes: Classes of the data.
        device: `cpu`, or `cuda`, where a fused step of plain networks keeps all layers' gradients.
    """
    network = config.network
    assert isinstance(network, DenseConfig)
    highway, width, layers = network.kind == "highway", network.width, network.depth - 1
    block = (width + 1) * width
    weights = (features + 1) * width + layers * block * (2 if highway else 1) + (width + 1) * classes
    rule = RULES[config.optimiser.kind]
    kept = 1 + len(rule.state) + rule.at_once  # weights, state, gradients where all are kept for the end of the step
    held = min(network.checkpoint_every or max(layers, 1), max(layers, 1)) if layers else 0
    segments = -(-layers // held) if held else 0
    dropout = network.dropout > 0
    per_layer = 1 + (highway or dropout or device == "cuda") + highway
    activations = held * per_layer + 1 + max(segments - 1, 0) + dropout + 3 + (network.depth * 2 if dropout else 0)
    step = activations * config.budget.batch_size * width + block
    evaluation = EVALUATION_BATCH * (3 * width + 4 * classes)
    return FLOAT * members * (kept * weights + max(step, step // 2 + evaluation))


def of_this_machine(device: str) -> float:
    """Return the bytes of all memory of the GPU, or of this machine or container.

    Not of what is free at the moment: the same machine must split the same way every time.
    """
    if device == "cuda":
        return float(torch.cuda.get_device_properties(0).total_memory)
    return devices.memory()


def limit(whole: float, processes: int) -> int:
    """Return the bytes that one population may hold, where so many processes share a machine or a GPU.

    Args:
        whole: Bytes of the machine or the GPU. `HIGHWAYS_MEMORY_GB` says another size.
        processes: That train beside each other.

    Raises:
        HighwaysError: `HIGHWAYS_MEMORY_GB` is no number above 0.
    """
    given = os.environ.get("HIGHWAYS_MEMORY_GB")
    if given is not None:
        try:
            whole = float(given) * 1e9
        except ValueError:
            whole = 0.0
        if not 0 < whole < float("inf"):
            raise HighwaysError(f"HIGHWAYS_MEMORY_GB must be a number of gigabytes above 0, found {given!r}")
    return int(SHARE * whole / max(processes, 1))
