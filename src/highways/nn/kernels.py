"""Triton kernels of a population's blocks: all layers in one launch, for GPUs.

A block of 50 units ends before a GPU has started the next operation, and a step of 100 blocks has thousands. Here a
program takes some rows of one trial's batch through all blocks, upwards or downwards, with the activations in its
registers. Rows do not depend on each other, so nothing waits. Only a weight's gradient sums over rows: a third kernel,
with one program for each layer and trial, computes it and updates the weights.

Products are in float32. `tf32x3` splits each factor into two parts that tensor cores can multiply, and adds three of
the four products: as exact as float32, to its last bit or two. `ieee` uses no tensor cores.

Tensors of all blocks are `(layers, trials, batch, width)`; those of one block lack `layers`. `x` is the input, `h` is H
(a plain block's output), `t` is T of a highway block; `dh` and `dt` are gradients with respect to the pre-activations
of H and T. `weights` are the weights and biases of H and, in highway blocks, T: `DensePopulation.blocks`.
"""

# Only torch's builds for GPUs include Triton, and a kernel is launched through a subscript.
# pyright: reportMissingImports=false, reportIndexIssue=false

import triton
import triton.language as tl
from torch import Tensor

ROWS = 16
"""Rows of a batch that a program processes at a time."""
PRECISION = "tf32x3"
"""Precision of the products in `up` and `down`: `tf32x3` or `ieee`."""
SMALL, LARGE = {"num_warps": 8, "num_stages": 3, "maxnreg": 128}, {"num_warps": 8, "num_stages": 2}
"""Compile options of up and down: for blocks of at most 64 units (two programs share a multiprocessor), and others."""


@triton.jit
def _activated(z, ACTIVATION: tl.constexpr):  # type: ignore[no-untyped-def]
    if ACTIVATION == "relu":
        return tl.where(z < 0, 0.0, z)  # NaN stays NaN
    else:
        s = z * z  # near 0 the difference would lose digits; the series keeps them
        series = z * (1 + s * (-1 / 3 + s * (2 / 15 + s * (-17 / 315 + s * (62 / 2835)))))
        return tl.where(s < 0.0625, series, 2 / (1 + tl.exp(-2 * z)) - 1)


@triton.jit
def _times_derivative(gradient, output, ACTIVATION: tl.constexpr):  # type: ignore[no-untyped-def]
    if ACTIVATION == "relu":
        return tl.where(output > 0, gradient, 0.0)
    else:
        return gradient * (1 - output * output)


@triton.jit
def _up(  # type: ignore[no-untyped-def]
    x_in, x_out, h_out, t_out, h_weight, h_bias, t_weight, t_bias, layers, trials, batch,
    WIDTH: tl.constexpr, COLS: tl.constexpr, ROWS: tl.constexpr, HIGHWAY: tl.constexpr, KEEP: tl.constexpr,
    ACTIVATION: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Pass rows of a trial through all blocks; store every block's output, H and T (`KEEP`), or the last output."""
    trial = tl.program_id(1)
    rows, cols = tl.program_id(0) * ROWS + tl.arange(0, ROWS), tl.arange(0, COLS)
    inside = (rows[:, None] < batch) & (cols[None, :] < WIDTH)
    tile = (trial * batch + rows[:, None]) * WIDTH + cols[None, :]
    square = (tl.arange(0, COLS)[:, None] < WIDTH) & (cols[None, :] < WIDTH)
    matrix = trial * WIDTH * WIDTH + tl.arange(0, COLS)[:, None] * WIDTH + cols[None, :]
    vector = trial * WIDTH + cols
    x = tl.load(x_in + tile, mask=inside, other=0.0)
    for _ in range(layers):
        weight = tl.load(h_weight + matrix, mask=square, other=0.0)
        bias = tl.load(h_bias + vector, mask=cols < WIDTH, other=0.0)
        h = _activated(tl.dot(x, weight, input_precision=PRECISION) + bias[None, :], ACTIVATION)
        if HIGHWAY:
            weight = tl.load(t_weight + matrix, mask=square, other=0.0)
            bias = tl.load(t_bias + vector, mask=cols < WIDTH, other=0.0)
            t = 1 / (1 + tl.exp(-(tl.dot(x, weight, input_precision=PRECISION) + bias[None, :])))
            x = x + t * (h - x)
            t_weight += trials * WIDTH * WIDTH
            t_bias += trials * WIDTH
            if KEEP:
                tl.store(h_out + tile, h, mask=inside)
                tl.store(t_out + tile, t, mask=inside)
                h_out += trials * batch * WIDTH
                t_out += trials * batch * WIDTH
        else:
            x = h
        if KEEP:
            tl.store(x_out + tile, x, mask=inside)
            x_out += trials * batch * WIDTH
        h_weight += trials * WIDTH * WIDTH
        h_bias += trials * WIDTH
    if not KEEP:
        tl.store(x_out + tile, x, mask=inside)


@triton.jit
def _down(  # type: ignore[no-untyped-def]
    dx_both, x_last, h_last, t_last, dh_last, dt_last, h_weight, t_weight, layers, trials, batch,
    WIDTH: tl.constexpr, COLS: tl.constexpr, ROWS: tl.constexpr, HIGHWAY: tl.constexpr,
    ACTIVATION: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Take the gradient of rows of a trial down through all blocks; store it at the pre-activations of H and T.

    All pointers refer to the last block.
    """
    trial = tl.program_id(1)
    rows, cols = tl.program_id(0) * ROWS + tl.arange(0, ROWS), tl.arange(0, COLS)
    inside = (rows[:, None] < batch) & (cols[None, :] < WIDTH)
    tile = (trial * batch + rows[:, None]) * WIDTH + cols[None, :]
    square = (tl.arange(0, COLS)[:, None] < WIDTH) & (cols[None, :] < WIDTH)
    matrix = trial * WIDTH * WIDTH + tl.arange(0, COLS)[:, None] * WIDTH + cols[None, :]
    dx = tl.load(dx_both + tile, mask=inside, other=0.0)
    for _ in range(layers):
        h = tl.load(h_last + tile, mask=inside, other=0.0)
        weight = tl.load(h_weight + matrix, mask=square, other=0.0)
        if HIGHWAY:  # y = x + T * (H - x)
            x = tl.load(x_last + tile, mask=inside, other=0.0)
            t = tl.load(t_last + tile, mask=inside, other=0.0)
            dt = (h - x) * dx * ((1 - t) * t)
            dh = dx * t
            dx = dx - dh
            dh = _times_derivative(dh, h, ACTIVATION)
            dx = tl.dot(dh, tl.trans(weight), acc=dx, input_precision=PRECISION)
            weight = tl.load(t_weight + matrix, mask=square, other=0.0)
            dx = tl.dot(dt, tl.trans(weight), acc=dx, input_precision=PRECISION)
            tl.store(dt_last + tile, dt, mask=inside)
            x_last -= trials * batch * WIDTH
            t_last -= trials * batch * WIDTH
            dt_last -= trials * batch * WIDTH
            t_weight -= trials * WIDTH * WIDTH
        else:  # y = H
            dh = _times_derivative(dx, h, ACTIVATION)
            dx = tl.dot(dh, tl.trans(weight), input_precision=PRECISION)
        tl.store(dh_last + tile, dh, mask=inside)
        h_last -= trials * batch * WIDTH
        dh_last -= trials * batch * WIDTH
        h_weight -= trials * WIDTH * WIDTH
    tl.store(dx_both + tile, dx, mask=inside)


@triton.jit
def _change(  # type: ignore[no-untyped-def]
    x, d, weights, biases, weight_velocity, bias_velocity, step_of, momentum_of, trials, batch,
    WIDTH: tl.constexpr, COLS: tl.constexpr, ROWS: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Update the weights and biases of one block of one trial: v = momentum * v + gradient; w = w + step * v."""
    trial, layer = tl.program_id(0), tl.program_id(1).to(tl.int64)
    ins, cols = tl.arange(0, COLS), tl.arange(0, COLS)
    plane, first = layer * trials * batch * WIDTH, trial * batch
    dw = tl.zeros((COLS, COLS), tl.float32)
    db = tl.zeros((COLS,), tl.float32)
    for start in range(0, batch, ROWS):
        rows = start + tl.arange(0, ROWS)
        inside = (rows[:, None] < batch) & (cols[None, :] < WIDTH)
        tile = plane + (first + rows[:, None]) * WIDTH + cols[None, :]
        below = tl.load(x + tile, mask=inside, other=0.0)
        gradient = tl.load(d + tile, mask=inside, other=0.0)
        dw = tl.dot(tl.trans(below), gradient, acc=dw, input_precision=PRECISION)
        db += tl.sum(gradient, 0)
    step, momentum = tl.load(step_of + trial), tl.load(momentum_of + trial)
    square = (ins[:, None] < WIDTH) & (cols[None, :] < WIDTH)
    matrix = (layer * trials + trial) * WIDTH * WIDTH + ins[:, None] * WIDTH + cols[None, :]
    velocity = tl.load(weight_velocity + matrix, mask=square, other=0.0) * momentum + dw
    tl.store(weight_velocity + matrix, velocity, mask=square)
    tl.store(weights + matrix, tl.load(weights + matrix, mask=square, other=0.0) + velocity * step, mask=square)
    vector = (layer * trials + trial) * WIDTH + cols
    velocity = tl.load(bias_velocity + vector, mask=cols < WIDTH, other=0.0) * momentum + db
    tl.store(bias_velocity + vector, velocity, mask=cols < WIDTH)
    old = tl.load(biases + vector, mask=cols < WIDTH, other=0.0)
    tl.store(biases + vector, old + velocity * step, mask=cols < WIDTH)


def _columns(width: int) -> int:
    return max(16, triton.next_power_of_2(width))


def up(
    x: Tensor, weights: tuple[Tensor, ...], activation: str, out: Tensor, h: Tensor | None, t: Tensor | None
) -> None:
    """Pass the first block's input `x` through all blocks; `out` receives every block's output, or only the last one's.

    If it receives all, `h` and `t` receive H and T of highway blocks. `activation` is `relu` or `tanh`.
    """
    trials, batch, width = x.shape
    columns = _columns(width)
    highway, keep = len(weights) == 4, out.dim() == 4
    h_weight, h_bias, t_weight, t_bias = weights if highway else (*weights, *weights)
    _up[(triton.cdiv(batch, ROWS), trials)](
        x, out, out if h is None else h, out if t is None else t, h_weight, h_bias, t_weight, t_bias,
        len(h_weight), trials, batch, width, columns, ROWS, highway, keep, activation, PRECISION,
        **(SMALL if columns <= 64 else LARGE),
    )  # fmt: skip


def down(
    dx: Tensor, x: Tensor, h: Tensor, t: Tensor | None, weights: tuple[Tensor, ...], activation: str,
    dh: Tensor, dt: Tensor | None,
) -> None:  # fmt: skip
    """Take `dx`, the gradient of the loss, from the last block's output down to the first block's input, in place.

    `dh` and `dt` are filled; for highway blocks they may be the same tensors as `h` and `t`.
    """
    trials, batch, width = dx.shape
    columns = _columns(width)
    highway = t is not None
    h_weight, t_weight = weights[0], weights[2] if highway else weights[0]
    _down[(triton.cdiv(batch, ROWS), trials)](
        dx, x[-1], h[-1], h[-1] if t is None else t[-1], dh[-1], dh[-1] if dt is None else dt[-1],
        h_weight[-1], t_weight[-1], len(h_weight), trials, batch,
        width, columns, ROWS, highway, activation, PRECISION, **(SMALL if columns <= 64 else LARGE),
    )  # fmt: skip


def change(
    x: Tensor, d: Tensor, weight: Tensor, bias: Tensor, velocity: tuple[Tensor, Tensor], step: Tensor, momentum: Tensor
) -> None:
    """Update weights, biases and their velocities by SGD: v = momentum * v + gradient; w = w + step * v.

    `d` is `dh` or `dt`; `step`, minus the learning rate, and `momentum` have one value per trial.
    """
    layers, trials, batch, width = d.shape
    columns = _columns(width)
    small = columns <= 64  # at this size it is at least as fast without tensor cores
    _change[(trials, layers)](
        x, d, weight, bias, *velocity, step, momentum, trials, batch,
        width, columns, ROWS, "ieee" if small else PRECISION, num_warps=4 if small else 8, num_stages=3 if small else 1,
    )  # fmt: skip
