"""The highway layer (P1 eq. 3, P2 eq. 3): learned gates decide what is transformed and what is carried."""

import torch
from torch import Tensor, nn


def gated(x: Tensor, h: Tensor, t: Tensor) -> Tensor:
    """Return y = h * t + x * (1 - t), the only place where the transformed and the carried input are combined.

    The carried input `x`, the transformed input `h` and the transform gate `t`, in [0, 1], have one shape.
    """
    return torch.lerp(x.to(h.dtype), h, t.to(h.dtype))  # x + t * (h - x); h is bfloat16 under autocast


class Highway(nn.Module):
    """y = H(x) * T(x) + x * (1 - T(x)), for any transform H.

    T is the transform gate, the sigmoid of an affine map of x; 1 - T is the carry gate. The gate's bias starts
    negative, so that an untrained layer carries its input through, and the gradient with it. With the gate closed
    (T = 0) the layer is the identity; with the gate open (T = 1) it is H.

    Source: P1 sec. 2 and 2.2.

    Args:
        transform: H. Its output has the shape of its input.
        gate: The affine map whose sigmoid is T (a linear map, a convolution). Its output has the shape of its input,
            and it has a parameter `bias`.
        transform_bias: Initial value of that bias, such as -1 to -10.
    """

    def __init__(self, transform: nn.Module, gate: nn.Module, transform_bias: float):
        super().__init__()
        self.transform = transform
        self.gate = gate
        self.initial_transform_bias = transform_bias
        nn.init.constant_(gate.get_parameter("bias"), transform_bias)

    def transform_gate(self, x: Tensor) -> Tensor:
        """Return T(x), of the shape of `x`, in (0, 1)."""
        return torch.sigmoid(self.gate(x))

    def forward(self, x: Tensor) -> Tensor:
        """Return y, of the shape of `x`."""
        return gated(x, self.transform(x), self.transform_gate(x))


def reset_gate_biases(network: nn.Module) -> None:
    """Set the gate's bias of every highway layer of a network to its initial value."""
    for layer in network.modules():
        if isinstance(layer, Highway):
            nn.init.constant_(layer.gate.get_parameter("bias"), layer.initial_transform_bias)
