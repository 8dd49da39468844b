"""What analyses share: the network and its data, and findings as plain numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from highways.config import RunConfig
from highways.data import DataSet, load
from highways.tracking.analyses import rounded
from highways.training.building import build_network


def network_and_data(run: RunConfig, network: nn.Module | None, where: torch.device) -> tuple[nn.Module, DataSet]:
    """Return a run's network, untrained where none is given, and its data set, both on a device."""
    data = load(run.data).to(where)
    return (network or build_network(run, data)).to(where), data


def lists(values: Mapping[str, Tensor | list[Tensor]], digits: int = 6) -> dict[str, Any]:
    """Return tensors as nested lists of numbers of so many significant digits."""
    return {
        name: rounded(value.tolist() if isinstance(value, Tensor) else [row.tolist() for row in value], digits)
        for name, value in values.items()
    }
