"""A population: many dense networks of one shape, computed together over a leading trial axis.

One small network leaves a processor mostly idle: a product of 100x50 by 50x50 ends before its threads have met. The
trials of a random search differ in nothing that changes a shape, so their weights are stacked to
`(trials, inputs, outputs)` and every product is one batched product. The backward pass is written out by hand in
preallocated buffers, and a layer's weights are updated as soon as their gradient is computed, while it is still in the
cache. `tests/test_population.py` checks each gradient against autograd in float64.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Sequence
from types import ModuleType

import torch
from torch import Tensor, nn

from highways.config import DenseConfig
from highways.errors import HighwaysError
from highways.nn.dense import DenseNetwork

Update = Callable[[str, int, Tensor], None]
"""Called with a parameter's name, its layer (0 if there is only one) and its gradient, `(trials, ...)`. The gradient is
a buffer that the next layer overwrites."""

_activate_: dict[str, Callable[[Tensor], Tensor]] = {"relu": torch.relu_, "tanh": torch.tanh_, "linear": lambda x: x}


def _activation_backward_(activation: str, gradient: Tensor, output: Tensor) -> None:
    if activation == "relu":
        torch.ops.aten.threshold_backward.grad_input(gradient, output, 0, grad_input=gradient)
    elif activation == "tanh":
        torch.ops.aten.tanh_backward.grad_input(gradient, output, grad_input=gradient)


class DensePopulation(nn.Module):
    """Dense networks of the same kind, depth, width, activations and dropout, stacked.

    Weights are stored as `(layers, trials, inputs, outputs)`, with one layer for the first layer and for the read-out;
    biases have 1 in place of the inputs. `h_*` belong to H, `t_*` to the transform gate T. Members whose shapes or
    operations differ raise `ValueError`.
    """

    def __init__(self, members: Sequence[DenseNetwork]):
        super().__init__()
        agree = ("kind", "depth", "width", "activation", "first", "dropout")
        shapes = {tuple(getattr(member.config, name) for name in agree) for member in members}
        if len(shapes) != 1:
            raise ValueError(f"members of a population have one {', '.join(agree)}, found {shapes}")
        self.config = members[0].config
        self.highway = self.config.kind == "highway"
        states = [member.state_dict() for member in members]
        for name, sources in self._sources().items():
            layers = [torch.stack([torch.atleast_2d(state[source].t()) for state in states]) for source in sources]
            stacked = torch.stack(layers) if layers else torch.empty(0, len(members), 1, self.config.width)
            self.register_buffer(name, stacked)
        self._workspaces: dict[int, _Workspace] = {}

    first_weight: Tensor
    first_bias: Tensor
    h_weight: Tensor
    h_bias: Tensor
    t_weight: Tensor
    t_bias: Tensor
    readout_weight: Tensor
    readout_bias: Tensor

    def _sources(self) -> dict[str, list[str]]:
        """Return, for every stacked parameter, its names in the members' states, by layer."""
        blocks = range(self.config.depth - 1)
        h = "transform.linear" if self.highway else "linear"
        sources = {}
        for part in ("weight", "bias"):
            sources[f"first_{part}"] = [f"first.linear.{part}"]
            sources[f"h_{part}"] = [f"blocks.{layer}.{h}.{part}" for layer in blocks]
            if self.highway:
                sources[f"t_{part}"] = [f"blocks.{layer}.gate.{part}" for layer in blocks]
            sources[f"readout_{part}"] = [f"readout.{part}"]
        return sources

    @property
    def trials(self) -> int:
        """Number of members."""
        return self.first_weight.shape[1]

    def member_state(self, trial: int) -> dict[str, Tensor]:
        """Return the weights of one member as the state of a `DenseNetwork`."""
        state = {}
        for name, sources in self._sources().items():
            stacked = self.get_buffer(name)[:, trial]
            for layer, source in enumerate(sources):
                tensor = stacked[layer].T if name.endswith("weight") else stacked[layer, 0]
                state[source] = tensor.clone(memory_format=torch.contiguous_format)
        return state

    def keep(self, trials: Sequence[int]) -> None:
        """Drop all members except `trials`."""
        for name, stacked in list(self.named_buffers()):
            setattr(self, name, stacked[:, trials].contiguous())
        self._workspaces.clear()

    def _workspace(self, batch: int) -> _Workspace:
        if batch not in self._workspaces:
            self._workspaces[batch] = _Workspace(self, batch)
        return self._workspaces[batch]

    def step_bytes(self, batch: int) -> int:
        """Return the bytes of the weights and of the buffers of a training step on `batch` examples."""
        buffers = [buffer for buffer in vars(self._workspace(batch)).values() if isinstance(buffer, Tensor)]
        storages = [tensor.untyped_storage() for tensor in (*self.buffers(), *buffers)]
        return sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())  # some share memory

    def first(self, x: Tensor, out: Tensor) -> None:
        """Map a batch `(batch, inputs)` to the first layer's output, `(trials, batch, width)`."""
        shared = x.expand(self.trials, *x.shape)
        _activate_[self.config.first](torch.baddbmm(self.first_bias[0], shared, self.first_weight[0], out=out))

    def _block(self, layer: int, x: Tensor, h: Tensor, t: Tensor | None, out: Tensor) -> None:
        torch.baddbmm(self.h_bias[layer], x, self.h_weight[layer], out=h)
        _activate_[self.config.activation](h)
        if t is not None:
            torch.baddbmm(self.t_bias[layer], x, self.t_weight[layer], out=t)
            t.sigmoid_()
            torch.lerp(x, h, t, out=out)

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """Map a batch `(batch, inputs)`, shared by all members, to logits `(trials, batch, classes)`."""
        now = self.first_weight.new_empty(self.trials, len(x), self.config.width)
        self.first(x, now)
        if (kernels := kernels_for(self.config, self.first_weight)) is not None:
            kernels.up(now, self.blocks(), self.config.activation, out=now, h=None, t=None)
            return torch.baddbmm(self.readout_bias[0], now, self.readout_weight[0])
        h, t = torch.empty_like(now), torch.empty_like(now) if self.highway else None
        for layer in range(len(self.h_weight)):
            self._block(layer, now, h, t, out=now)
            if t is None:  # y = H
                now, h = h, now
        return torch.baddbmm(self.readout_bias[0], now, self.readout_weight[0])

    def blocks(self) -> tuple[Tensor, ...]:
        """Return the weights and biases of H and, for highway blocks, of T, stacked over all layers."""
        names = ("h_weight", "h_bias", "t_weight", "t_bias")
        return tuple(self.get_buffer(name) for name in names[: 4 if self.highway else 2])

    @torch.no_grad()
    def forward_backward(self, x: Tensor, target: Tensor, update: Update, masks: Tensor | None = None) -> None:
        """Compute the gradient of every member's mean cross-entropy and hand it to `update`.

        Layers are processed from last to first. A weight is not read again after its gradient has been handed over, so
        `update` may change it immediately.

        `x` is a batch, `(batch, inputs)`, shared by all members, `target` its classes, `(batch,)`, int64. `masks` are
        dropout masks of every layer's output, `(depth, trials, batch, width)`; see `highways.nn.dense.dropout_masks`.
        """
        space = self._workspace(len(x))
        top = self._up(x, space, masks)
        self.read_out(top, target, space.dx, update)
        self._down(space, masks, update)
        self.first_backward(x, space.dx, space.first, update)

    def read_out(self, top: Tensor, target: Tensor, dx: Tensor, update: Update) -> None:
        """Hand over the read-out's gradients of the mean cross-entropy; part of `forward_backward`.

        `top` is the last block's output, `(trials, batch, width)`; `dx` receives the gradient with respect to it.
        """
        logits = torch.baddbmm(self.readout_bias[0], top, self.readout_weight[0])
        dlogits = torch.log_softmax(logits, dim=-1).exp_()
        dlogits -= (target[:, None] == torch.arange(logits.shape[-1], device=target.device)).to(logits.dtype)
        dlogits /= len(target)
        torch.bmm(dlogits, self.readout_weight[0].mT, out=dx)
        update("readout_weight", 0, top.mT @ dlogits)
        update("readout_bias", 0, dlogits.sum(1, keepdim=True))

    def first_backward(self, x: Tensor, dx: Tensor, first: Tensor, update: Update) -> None:
        """Hand over the first layer's gradients, given `dx`, that of its output `first`; `dx` is changed in place."""
        _activation_backward_(self.config.first, dx, first)
        update("first_weight", 0, x.T.expand(self.trials, -1, -1) @ dx)
        update("first_bias", 0, dx.sum(1, keepdim=True))

    def _up(self, x: Tensor, space: _Workspace, masks: Tensor | None) -> Tensor:
        """Fill the workspace from the batch upwards; return the last block's output, `(trials, batch, width)`."""
        self.first(x, space.first)
        if masks is not None:
            torch.mul(space.first, masks[0], out=space.xs[0])
        *others, last = space.segments
        for segment, kept in zip(others, space.kept.unbind(), strict=True):
            kept.copy_(space.xs[0])
            self._pass(segment, space, masks)
            space.xs[0].copy_(space.xs[len(segment)])
        self._pass(last, space, masks)
        return space.xs[len(last)]

    def _pass(self, segment: range, space: _Workspace, masks: Tensor | None) -> None:
        """Compute the blocks of a segment from its input, which is at the beginning of the workspace."""
        for place, layer in enumerate(segment):
            above = space.xs[place + 1]
            self._block(layer, space.xs[place], space.hs[place], space.ts[place], out=above)
            if masks is not None:
                torch.mul(above if self.highway else space.hs[place], masks[layer + 1], out=above)

    def _down(self, space: _Workspace, masks: Tensor | None, update: Update) -> None:
        """Turn `space.dx` from the gradient of the last block's output into that of the first layer's."""
        for number, segment in reversed(list(enumerate(space.segments))):
            if number < len(space.segments) - 1:  # its activations have been overwritten
                space.xs[0].copy_(space.kept[number])
                self._pass(segment, space, masks)
            for place, layer in reversed(list(enumerate(segment))):
                if masks is not None:
                    space.dx.mul_(masks[layer + 1])
                self._block_backward(layer, place, space, update)
        if masks is not None:
            space.dx.mul_(masks[0])

    def _block_backward(self, layer: int, place: int, space: _Workspace, update: Update) -> None:
        """Turn `space.dx` from the gradient of a block's output into its input's; hand over the weights' gradients."""
        below, h, t, activation = space.xs[place], space.hs[place], space.ts[place], self.config.activation
        if t is not None:  # y = x + T * (H - x)
            dx, dh, dt = space.dx, space.dh, space.dt
            torch.sub(h, below, out=dt).mul_(dx)
            torch.ops.aten.sigmoid_backward.grad_input(dt, t, grad_input=dt)
            torch.mul(dx, t, out=dh)
            dx.sub_(dh)
            _activation_backward_(activation, dh, h)
            dx.baddbmm_(dh, self.h_weight[layer].mT).baddbmm_(dt, self.t_weight[layer].mT)
            update("t_weight", layer, torch.bmm(below.mT, dt, out=space.dw))
            update("t_bias", layer, dt.sum(1, keepdim=True))
        else:  # y = H
            space.dx, space.dh = space.dh, space.dx
            dx, dh = space.dx, space.dh
            _activation_backward_(activation, dh, h)
            torch.bmm(dh, self.h_weight[layer].mT, out=dx)
        update("h_weight", layer, torch.bmm(below.mT, dh, out=space.dw))
        update("h_bias", layer, dh.sum(1, keepdim=True))


class _Workspace:
    """Buffers for one batch size. A segment is a range of blocks whose activations are held at the same time."""

    def __init__(self, population: DensePopulation, batch: int):
        config, like, layers = population.config, population.first_weight, len(population.h_weight)
        every = config.checkpoint_every or max(layers, 1)
        self.segments = [range(start, min(start + every, layers)) for start in range(0, max(layers, 1), every)]
        one, held = (population.trials, batch, config.width), min(every, layers)
        self.x = like.new_empty(held + 1, *one)  # input of every block of a segment, and the last one's output
        # H of every block; for a plain one its output, which is the next one's input unless dropout comes between.
        self.h = like.new_empty(held, *one) if population.highway or config.dropout else self.x[1:]
        self.t = like.new_empty(held if population.highway else 0, *one)  # T
        self.first = like.new_empty(one) if config.dropout else self.x[0]  # output of the first layer
        self.kept = like.new_empty(len(self.segments) - 1, *one)  # input of every segment but the last
        self.dx = like.new_empty(one)  # gradient with respect to a block's output, then input
        self.dh = like.new_empty(one)  # gradient with respect to H, then its pre-activation
        self.dt = like.new_empty(one)  # gradient with respect to T, then its pre-activation
        self.dw = like.new_empty(one[0], config.width, config.width)  # gradient with respect to a weight matrix
        # Unbound once: a step uses each layer several times.
        self.xs, self.hs = self.x.unbind(), self.h.unbind()
        self.ts: Sequence[Tensor | None] = self.t.unbind() if population.highway else [None] * held


SWITCH = "HIGHWAYS_FUSED"
"""Environment variable: 1, the default, trains on a GPU with fused kernels in a CUDA graph; 0 as on a CPU, unfused."""
WIDEST = 128
"""Most units of a block: its weights must fit into the registers of one program."""
TRITON = importlib.util.find_spec("triton") is not None


def kernels_for(config: DenseConfig, like: Tensor) -> ModuleType | None:
    """Return `highways.nn.kernels` if they fit networks of this kind, `None` to use torch's operations instead.

    They do not fit blocks wider than `WIDEST`, dropout, activation checkpointing, or weights (`like`) other than
    float32 on a GPU.
    """
    if (given := os.environ.get(SWITCH, "1")) not in ("0", "1"):
        raise HighwaysError(f"{SWITCH} must be 0 or 1, found {given!r}")
    fits = like.is_cuda and like.dtype == torch.float32 and config.width <= WIDEST and config.depth > 1
    plain_step = config.dropout == 0 and config.checkpoint_every is None
    if given == "0" or not (fits and plain_step and TRITON):
        return None
    from highways.nn import kernels

    return kernels
