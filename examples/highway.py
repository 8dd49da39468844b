"""A highway network of 50 layers next to a plain one: the whole idea in one file that needs torch and scikit-learn.

    python examples/highway.py          # half a minute on one core

Highway Networks (Srivastava, Greff, Schmidhuber 2015): a learned gate T decides, unit by unit, how much of a layer's
input is transformed and how much is carried on. Trained alike on 8 x 8 digits (from scikit-learn), the networks end at
cross-entropies of 0.97 (plain) and 0.048 (highway). Rounding on other processors moves them, to above 0.4 and below
0.25 (seen: 0.53 to 1.70, 0.024 to 0.107). That is one setting and one seed; 01_depth searches for evidence.
"""

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

DEPTH, EPOCHS, BATCH = 50, 15, 50


class Highway(nn.Module):
    """y = T(x) H(x) + (1 - T(x)) x, with H = relu(W x + b) and the gate T = sigmoid(V x + c).

    c starts negative, so an untrained layer passes on its input and the gradients almost unchanged.
    """

    def __init__(self, width: int, gate_bias: float = -4.0):
        super().__init__()
        self.transform, self.gate = linear(width, width), linear(width, width)
        nn.init.constant_(self.gate.bias, gate_bias)

    def forward(self, x: Tensor) -> Tensor:  # (batch, width) to (batch, width)
        h, t = torch.relu(self.transform(x)), torch.sigmoid(self.gate(x))
        return t * h + (1 - t) * x


class Plain(nn.Module):
    """y = relu(W x + b): a highway layer whose gates are all fully open."""

    def __init__(self, width: int):
        super().__init__()
        self.transform = linear(width, width)

    def forward(self, x: Tensor) -> Tensor:  # (batch, width) to (batch, width)
        return torch.relu(self.transform(x))


def linear(inputs: int, outputs: int) -> nn.Linear:
    """Return W x + b with He's initial weights and b = 0."""
    layer = nn.Linear(inputs, outputs)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    nn.init.zeros_(layer.bias)
    return layer


def digits() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return images, `(examples, 64)` in [0, 1], and classes: for training, then every fifth example for testing."""
    images, classes = load_digits(return_X_y=True)
    x, y = torch.tensor(images, dtype=torch.float32) / 16, torch.tensor(classes)
    test = torch.arange(len(x)) % 5 == 4
    return x[~test], y[~test], x[test], y[test]


def train(network: nn.Sequential, x: Tensor, y: Tensor) -> float:
    """Train a network, print its training cross-entropy in nats, and return the last value."""
    optimiser, loss = torch.optim.Adam(network.parameters(), lr=0.001), float("nan")
    for epoch in range(1, EPOCHS + 1):
        for batch in torch.randperm(len(x)).split(BATCH):
            optimiser.zero_grad()
            cross_entropy(network(x[batch]), y[batch]).backward()
            optimiser.step()
        if epoch in (1, 2) or epoch % 5 == 0:
            with torch.no_grad():
                loss = cross_entropy(network(x), y).item()
            print(f"  epoch {epoch:2d}: training cross-entropy {loss:.3f}", flush=True)
    return loss


@torch.no_grad()
def main() -> dict[str, float]:
    """Train a plain and a highway network, and return their last training cross-entropies."""
    x, y, test_x, test_y = digits()
    losses = {}
    for name, kind, width in (("plain", Plain, 71), ("highway", Highway, 50)):  # about the same number of weights
        torch.manual_seed(0)
        blocks = [kind(width) for _ in range(DEPTH - 1)]
        network = nn.Sequential(linear(64, width), nn.ReLU(), *blocks, linear(width, 10))
        print(f"{name}: {DEPTH} layers of {width} units")
        with torch.enable_grad():
            losses[name] = train(network, x, y)
        print(f"  test accuracy {(network(test_x).argmax(1) == test_y).float().mean():.3f}")
    print("mean gate of every fifth highway layer, over the test images:")
    state = network[:2](test_x)
    for number, block in enumerate(blocks, 1):
        if number % 5 == 0:
            print(f"  layer {number:2d}: {torch.sigmoid(block.gate(state)).mean():.3f}")
        state = block(state)
    return losses


if __name__ == "__main__":
    main()
