"""CD-k of larger RBMs on the GPU: all machines of a job side by side in kernels/contrastive_wide.cu."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import numpy as np

from boltzprune.backend.arrays import Array, Report, Trained
from boltzprune.backend.gpu import cooperative
from boltzprune.backend.gpu.cd_small import apart, side_by_side, stacked
from boltzprune.backend.gpu.cooperative import MAX_BATCH, Plan, fewest_blocks, padded
from boltzprune.core.contrastive import Epoch, Velocity, check_done
from boltzprune.core.machine import BoltzmannMachine

if TYPE_CHECKING:
    from boltzprune.backend.gpu.card import Card

Work = tuple[BoltzmannMachine, Velocity, np.uint64, Array]

UPDATES_PER_LAUNCH = 1 << 13
"""A launch takes some ten milliseconds, so that progress is seen and no watchdog bites."""
COLUMNS, WEIGHTS_A_THREAD = 52, 64
"""Hidden units that a block has at most, so that many share the work; weights that a thread updates, a bit each."""


def plan(machine: BoltzmannMachine, batch: int, card: "Card") -> Plan | None:
    """Blocks that hold the weights and their steps, `COLUMNS` each or fewer; None: not for the kernel.

    Parameters
    ----------
    machine : BoltzmannMachine
        An RBM.
    batch : int
        Cases an update.
    card : card.Card

    Returns
    -------
    cooperative.Plan or None
    """
    n_visible, n_hidden = machine.layer_sizes
    if min(n_visible, n_hidden) == 0 or batch > MAX_BATCH:
        return None
    width = padded(batch)

    def n_floats(n_blocks: int) -> int:
        columns = -(-n_hidden // n_blocks)
        floats = 2 * n_visible * (columns | 1) + 2 * n_visible * (width + 1)
        return floats + columns * (2 + 3 * width) + cooperative.N_THREADS * width

    most_columns = min(COLUMNS, WEIGHTS_A_THREAD * cooperative.N_THREADS // n_visible)
    return fewest_blocks(card, n_hidden, n_floats, most_columns)


def epoch_of_many(card: "Card", work: Sequence[Work], epoch: Epoch, report: Report) -> list[Trained]:
    """One epoch of CD-k of machines that need the same number of blocks.

    Parameters
    ----------
    card : card.Card
    work : list of (BoltzmannMachine, Velocity, np.uint64, (n_cases, n_visible) uint8 on the card)
        All with the same number of cases.
    epoch : Epoch
    report : callable

    Returns
    -------
    list of (BoltzmannMachine, Velocity)

    Raises
    ------
    NotFiniteError
        With the place of the machine in `work`.
    """
    plans = cast("list[Plan]", [plan(machine, epoch.batch_size, card) for machine, *_ in work])
    need = max(9 * machine.weights[0].size for machine, *_ in work) + work[0][3].nbytes
    first = epoch.first_update == 0
    return cooperative.in_turns(
        card, plans, work, lambda plans, part: _at_once(card, plans, part, epoch, report), need if first else None
    )


def _at_once(card: "Card", plans: Sequence[Plan], work: Sequence[Work], epoch: Epoch, report: Report) -> list[Trained]:
    """Machines that the card holds at the same time.

    Parameters
    ----------
    card, work, epoch, report
        See `epoch_of_many`.
    plans : list of cooperative.Plan
        Of each machine.
    """
    machines, velocities, keys, cases = zip(*work)
    xp, n, batch, n_visible = card.xp, len(work), epoch.batch_size, cases[0].shape[1]
    width = max(machine.layer_sizes[1] for machine in machines)
    arrays = [card.asarray(x) for x in side_by_side(machines, velocities, width)]
    masks = stacked([machine.masks[0].astype(np.uint8) for machine in machines], width)
    n_hidden = np.array([machine.layer_sizes[1] for machine in machines], np.int32)
    about = [card.asarray(x) for x in (masks, n_hidden, np.array(keys, np.uint64))]
    shared = all(one is cases[0] for one in cases)
    together = cases[0][None] if shared else xp.stack(cases)
    n_blocks = plans[0].n_blocks
    partial = xp.empty((n, 2, n_blocks, batch, n_visible), dtype=np.float32)
    rates = [np.float32(x) for x in (epoch.learning_rate, epoch.decay, epoch.up, epoch.down)]
    per_launch, n_cases = UPDATES_PER_LAUNCH * batch, together.shape[1]
    for start in range(0, n_cases, per_launch):
        piece, update = together[:, start : start + per_launch].copy(), start // batch
        n_updates, done = -(-piece.shape[1] // batch), xp.zeros(n, dtype=np.int32)
        apart_by = np.uint64(0 if shared else piece.shape[1] * n_visible)
        numbers: list[np.number] = [np.int32(x) for x in (n_visible, width, n_blocks, piece.shape[1])]
        numbers += [np.uint32((epoch.first_update + update) * epoch.n_gibbs_steps), np.int32(epoch.n_gibbs_steps)]
        arguments = [*arrays, *about, piece, apart_by, partial, xp.zeros(n, dtype=np.uint32), done, *numbers, *rates]
        cooperative.launch(card, "contrastive_wide", plans, {"BATCH": batch}, arguments)
        check_done(card.to_host(done), n_updates, update)
        report(n_updates * n)
    return apart(machines, [card.to_host(x) for x in arrays])
