"""How signal and gradient change from layer to layer."""

from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from highways.config import Measure, RunConfig
from highways.errors import HighwaysError
from highways.inside.values import Batches, hooked, lists, network_and_batches


class SignalConfig(Measure):
    """Size of outputs and gradients, layer by layer."""

    kind: str = "signal"
    trained: bool
    """Whether to use the final weights; otherwise the initial ones."""
    examples: int = Field(default=1_000, ge=1)
    """Number of training examples, the first ones."""

    @property
    def label(self) -> str:
        return "signal_trained" if self.trained else "signal_initial"

    def perform(self, run: RunConfig | None, network: nn.Module | None, where: torch.device) -> dict[str, Any]:
        return lists(signal(*network_and_batches(run, network, where)[:2], self.examples))


def signal(network: nn.Module, batches: Batches, examples: int) -> dict[str, Tensor]:
    """Measure outputs and gradients of a network's blocks on the first examples, without dropout.

    Each result is `(blocks,)`:

    - `output`: root mean square of the block's outputs, over examples and units;
    - `output_gradient`: the same for the gradient of an example's loss with respect to the outputs;
    - `weight_gradient`: norm of the gradient of the mean loss with respect to all parameters of the block.
    """
    blocks = list(getattr(network, "blocks", []))
    if not blocks:
        raise HighwaysError("the network has no blocks to measure")
    network.eval()
    network.zero_grad()
    outputs: dict[nn.Module, Tensor] = {}

    def note(module: nn.Module, inputs: tuple[Tensor, ...], result: Tensor | tuple[Tensor, ...]) -> None:
        output = result[0] if isinstance(result, tuple) else result  # a BiLSTM's state comes second
        if module not in outputs:  # activation checkpointing recomputes blocks
            output.retain_grad()
            outputs[module] = output

    squares = torch.zeros(2, len(blocks), dtype=torch.float64)
    elements = torch.zeros(len(blocks), dtype=torch.float64)
    done = 0
    with hooked((block, note) for block in blocks):
        for x, y in batches:
            x, y = x[: examples - done], y[: examples - done]
            if not len(y):
                break
            outputs.clear()
            with torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):  # cuDNN's LSTMs need training mode
                functional.cross_entropy(network(x), y, reduction="sum").backward()
            for layer, output in enumerate(outputs[block] for block in blocks):
                gradient = output.grad
                assert gradient is not None
                squares[0, layer] += output.detach().double().square().sum().cpu()
                squares[1, layer] += gradient.double().square().sum().cpu()
                elements[layer] += output.numel()
            done += len(y)
    norms = [
        torch.stack([p.grad.double().square().sum() for p in block.parameters() if p.grad is not None]).sum().sqrt()
        for block in blocks
    ]
    network.zero_grad()
    size, gradient = (squares / elements).sqrt()
    return {"output": size, "output_gradient": gradient, "weight_gradient": torch.stack(norms).cpu() / done}
