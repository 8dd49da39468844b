"""A highway network of 50 layers next to a plain one, in one file that needs torch alone.

    python examples/highway.py          # about a minute on one core

Highway Networks (Srivastava, Greff, Schmidhuber 2015): each unit of a layer has a gate T, learned like everything else,
that says how much of the layer's input is transformed; the rest is carried through. Training then does not stop at
depths at which it does in a plain network. Here both are trained alike on 8 x 8 images of digits, with the same
optimiser; only the data set is scikit-learn's. The one learning rate is no search: experiments 01_depth has that.
"""

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

DEPTH, EPOCHS, BATCH = 50, 30, 50


class Highway(nn.Module):
    """y = H(x) T(x) + x (1 - T(x)), with H = relu(W x + b) and T = sigmoid(W' x + b').

    b' starts negative: an untrained layer carries its input, and gradients, almost unchanged.
    """

    def __init__(self, width: int, bias: float = -3.0):
        super().__init__()
        self.transform, self.gate = nn.Linear(width, width), nn.Linear(width, width)
        nn.init.constant_(self.gate.bias, bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(batch, width)` to `(batch, width)`."""
        h, t = torch.relu(self.transform(x)), torch.sigmoid(self.gate(x))
        return h * t + x * (1 - t)


class Plain(nn.Module):
    """y = relu(W x + b): what a highway layer is with its gate wide open."""

    def __init__(self, width: int):
        super().__init__()
        self.transform = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(batch, width)` to `(batch, width)`."""
        return torch.relu(self.transform(x))


def network(layer: type[nn.Module], width: int) -> nn.Sequential:
    """Return a layer to `width`, `DEPTH - 1` layers of a kind and a linear layer to ten logits."""
    layers = [layer(width) for _ in range(DEPTH - 1)]
    net = nn.Sequential(nn.Linear(64, width), nn.ReLU(), *layers, nn.Linear(width, 10))
    for module in net.modules():
        if isinstance(module, nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")  # He et al. 2015, for both networks
    return net


def digits() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return images in [0, 1], `(examples, 64)`, and classes: to train on, and every fifth to test."""
    images, classes = load_digits(return_X_y=True)
    x, y = torch.tensor(images, dtype=torch.float32) / 16, torch.tensor(classes)
    test = torch.arange(len(x)) % 5 == 4
    return x[~test], y[~test], x[test], y[test]


def train(net: nn.Sequential, x: Tensor, y: Tensor) -> float:
    """Train a network by stochastic gradient descent with momentum, and return its last training loss."""
    optimiser = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9)
    loss = float("nan")
    for epoch in range(1, EPOCHS + 1):
        for batch in torch.randperm(len(x)).split(BATCH):
            optimiser.zero_grad()
            cross_entropy(net(x[batch]), y[batch]).backward()
            optimiser.step()
        with torch.no_grad():
            loss = cross_entropy(net(x), y).item()
        if epoch in (1, 2, 5) or epoch % 10 == 0:
            print(f"  epoch {epoch:2d}  training cross-entropy {loss:.4f}")
    return loss


def main() -> dict[str, float]:
    """Train both networks, print what comes of them, and return their last training losses."""
    train_x, train_y, test_x, test_y = digits()
    losses = {}
    for name, layer, width in (("plain", Plain, 71), ("highway", Highway, 50)):  # about as many weights
        torch.manual_seed(0)
        net = network(layer, width)
        print(f"{name}, {DEPTH} layers of {width} units, {sum(p.numel() for p in net.parameters()):,} weights")
        losses[name] = train(net, train_x, train_y)
        hits = (net(test_x).argmax(dim=1) == test_y).float().mean()
        print(f"  test accuracy {hits:.3f}")
    return losses


if __name__ == "__main__":
    main()
