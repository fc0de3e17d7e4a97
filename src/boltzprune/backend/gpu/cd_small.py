"""CD-1 of small RBMs on the GPU: all machines of a job side by side in one launch of kernels/contrastive.cu."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from boltzprune.backend.arrays import Array, Floats, Report, Trained
from boltzprune.core.contrastive import Epoch, Velocity, check_done
from boltzprune.core.machine import BoltzmannMachine

if TYPE_CHECKING:
    from boltzprune.backend.gpu.card import Card

MAX_VISIBLE, MAX_HIDDEN = 61, 512
"""A visible layer is the bits of one word, a hidden unit is a thread of one block."""
MAX_COLUMN_THREADS = 1 << 13
"""Visible units times threads: what keeps three numbers a weight within the 65,536 registers of a block."""
UPDATES_PER_LAUNCH = 1 << 15
"""A launch takes some 10 ms, so that progress is seen and no watchdog bites."""
SHARED_FLOATS = 8192
"""Uniform numbers laid out in shared memory at a time."""


def is_small(machine: BoltzmannMachine, epoch: Epoch) -> bool:
    """Whether the kernel takes this machine and this training."""
    n_visible, n_hidden = machine.layer_sizes
    fits = 1 <= n_visible <= MAX_VISIBLE and 1 <= n_hidden <= MAX_HIDDEN
    return (
        fits and n_visible * _threads(n_hidden) <= MAX_COLUMN_THREADS and epoch.batch_size == epoch.n_gibbs_steps == 1
    )


def _threads(n_hidden: int) -> int:
    """Threads of a block: few sizes, since each is compiled."""
    return next(n for n in (32, 64, 96, 128, 256, MAX_HIDDEN) if n >= n_hidden)


def epoch_of_many(
    card: "Card",
    work: Sequence[tuple[BoltzmannMachine, Velocity, np.uint64]],
    cases: Array,
    epoch: Epoch,
    report: Report,
) -> list[Trained]:
    """One epoch of CD-1 of many machines of the same visible layer.

    Parameters
    ----------
    card : card.Card
    work : list of (BoltzmannMachine, Velocity, np.uint64)
        Each with the key of its stream.
    cases : (n_cases, n_visible) uint8, on the card
    epoch : Epoch
    report : callable

    Returns
    -------
    list of (BoltzmannMachine, Velocity)

    Raises
    ------
    NotFiniteError
        With the place in `work` of the first machine whose fields were not finite.
    """
    machines, velocities, keys = zip(*work)
    n_visible, width = cases.shape[1], max(machine.layer_sizes[1] for machine in machines)
    arrays = [card.asarray(x) for x in side_by_side(machines, velocities, width)]
    masks = stacked([_column_bits(machine.masks[0]) for machine in machines], width)
    n_hidden = np.array([machine.layer_sizes[1] for machine in machines], np.int32)
    about = [card.asarray(x) for x in (masks, n_hidden, np.array(keys, np.uint64))]
    words = _words(card, cases)
    block = _threads(width)
    defines = {"N_VISIBLE": n_visible, "BLOCK": block, "N_AHEAD": max(1, min(32, SHARED_FLOATS // block))}
    rates = [np.float32(x) for x in (epoch.learning_rate, epoch.decay, epoch.up, epoch.down)]
    done = card.xp.zeros(len(machines), dtype=np.int32)
    for start in range(0, len(cases), UPDATES_PER_LAUNCH):
        piece = words[start : start + UPDATES_PER_LAUNCH]
        numbers = [np.int32(len(piece)), np.uint32(epoch.first_update + start)]
        arguments = [*arrays, *about, np.int32(width), piece, *numbers, *rates, done]
        card.launch("contrastive", defines, (len(machines),), block, arguments)
        check_done(card.to_host(done), len(piece), start)
        report(len(piece) * len(machines))
    return apart(machines, [card.to_host(x) for x in arrays])


def _words(card: "Card", cases: Array) -> Array:
    """Each case as the bits of one word: (n_cases,) uint64, bit i is visible unit i."""
    places = card.xp.arange(cases.shape[1], dtype=np.uint64)
    return (cases.astype(np.uint64) << places).sum(axis=1, dtype=np.uint64)


def side_by_side(machines: Sequence[BoltzmannMachine], velocities: Sequence[Velocity], width: int) -> list[Floats]:
    """Weights, steps, visible biases, steps, hidden biases, steps: each of all machines in one array.

    Parameters
    ----------
    machines : sequence of BoltzmannMachine
    velocities : sequence of Velocity
    width : int
        Hidden units of each in the arrays, zero-padded.

    Returns
    -------
    list of (n_machines, ...) float32
    """
    n_visible = machines[0].layer_sizes[0]
    groups = [
        ([machine.weights[0] for machine in machines], width),
        ([velocity.weights for velocity in velocities], width),
        ([machine.biases[0] for machine in machines], n_visible),
        ([velocity.visible_bias for velocity in velocities], n_visible),
        ([machine.biases[1] for machine in machines], width),
        ([velocity.hidden_bias for velocity in velocities], width),
    ]
    return [stacked(arrays, size) for arrays, size in groups]


def stacked(arrays: Sequence[np.ndarray], width: int) -> np.ndarray:
    """Arrays as one, their last axes zero-padded to one width."""
    stacked = np.zeros((len(arrays), *arrays[0].shape[:-1], width), arrays[0].dtype)
    for target, array in zip(stacked, arrays):
        target[..., : array.shape[-1]] = array
    return stacked


def _column_bits(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint64]:
    """Which weights of each hidden unit exist: (n_hidden,) uint64, bit i is visible unit i."""
    places = np.arange(len(mask), dtype=np.uint64)[:, None]
    return (mask.astype(np.uint64) << places).sum(axis=0, dtype=np.uint64)


def apart(machines: Sequence[BoltzmannMachine], arrays: Sequence[Floats]) -> list[Trained]:
    """The machines and their velocities again."""
    results = []
    for k, machine in enumerate(machines):
        n = machine.layer_sizes[1]
        weights, weight_step, visible, visible_step, hidden, hidden_step = (array[k] for array in arrays)
        biases = (visible.copy(), hidden[:n].copy())
        trained = BoltzmannMachine((weights[:, :n].copy(),), biases, machine.masks, machine.units, must_be_finite=False)
        results.append((trained, Velocity(weight_step[:, :n].copy(), visible_step.copy(), hidden_step[:n].copy())))
    return results
