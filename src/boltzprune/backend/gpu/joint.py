"""Joint training of DBMs with two hidden layers on the GPU: the machines of a job side by side (kernels/joint.cu)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from boltzprune.backend.arrays import Array, JointlyTrained, JointWork, Report
from boltzprune.backend.gpu import cooperative
from boltzprune.backend.gpu.cooperative import MAX_BATCH, STATIC_SHARED, Plan, fewest_blocks, padded, whole_quads
from boltzprune.backend.gpu.machines_on_card import WORD, MachinesOnCard
from boltzprune.core.contrastive import check_done
from boltzprune.core.joint import JointEpoch
from boltzprune.core.machine import BoltzmannMachine

if TYPE_CHECKING:
    from boltzprune.backend.gpu.card import Card

UPDATES_PER_LAUNCH = 500
"""A launch takes less than a second, so that progress is seen and no watchdog bites."""
COLUMNS, UNITS = 52, 32
"""Units of h2, and of each layer below, that a block has at most: more blocks than have to be, which share the work."""
UNITS_ALONE = 512
"""Units of h1, at most, where a block may iterate an image alone (kernels/one_image.cuh)."""
WARP, WORDS_TOGETHER, COLUMNS_TOGETHER, TILE = 32, 4, 4, 64
"""Threads of a warp, and words and columns that kernels/joint.cu takes side by side."""


def plan(machine: BoltzmannMachine, n_chains: int, batch: int, card: "Card") -> Plan | None:
    """Blocks that hold the upper weights, and their steps where there is room; None: not for the kernel.

    Parameters
    ----------
    machine : BoltzmannMachine
    n_chains : int
        Persistent chains.
    batch : int
        Images an update.
    card : card.Card

    Returns
    -------
    cooperative.Plan or None
    """
    sizes = machine.layer_sizes
    if len(sizes) != 3 or min(sizes) == 0 or batch > MAX_BATCH:
        return None
    n0, n1, n2 = sizes
    lanes, n_words, n_threads = padded(batch), -(-n_chains // WORD), cooperative.N_THREADS

    # The sum of what kernels/joint.cu lays out one after the other in shared memory ("my.mu1.at = 0" and what follows):
    # which part of it is the same for every machine is known there only once the number of blocks is chosen here.
    def n_floats(n_blocks: int) -> int:
        each0, each1, width = (whole_quads(-(-n // n_blocks)) for n in sizes)
        own = 3 * (each0 + each1) + 4 * width + 2  # biases, steps, scales, starts of lists
        lists = -(-n_threads // WARP * (max(n1, width) + 4) // 8) * 4  # of two bytes a unit
        of_chains = WORDS_TOGETHER * WORD * (-(-n1 // WARP) | 1)
        of_chains += max(WARP, min(TILE, -(-width // 8) * 8)) * (WORDS_TOGETHER * WORD + 1)
        of_images = n_threads // WARP * width * lanes if batch > 1 else n_threads
        n_warps, quads = n_threads // WARP, whole_quads(n1)
        alone = (n_warps + 2) * quads + whole_quads(n2) + n_warps * (-(-n2 // n_warps) + 1) // 2 + 1
        scratch = whole_quads(max(of_images, -(-of_chains // 4) * 4, lists, alone if n1 <= UNITS_ALONE else 0))
        images = whole_quads(lanes * n1) + lanes * (n1 + 2 * width) + n0
        own += n1 * -(-width // WARP)  # which weights exist
        own += 2 * width + COLUMNS_TOGETHER  # which columns a sweep takes
        return n1 * (width | 1) + images + scratch + n_words * (n0 + n1 + width + 1) + WORDS_TOGETHER * n_blocks + own

    plan = fewest_blocks(card, n2, n_floats, COLUMNS, max(-(-n0 // UNITS), -(-n1 // UNITS)))
    if plan is None:
        return None
    with_steps = plan.shared + 4 * n1 * (whole_quads(-(-n2 // plan.n_blocks)) | 1)
    return Plan(plan.n_blocks, with_steps) if with_steps <= card.max_shared - STATIC_SHARED else plan


def _bytes_on_card(plan: Plan, machine: BoltzmannMachine, n_chains: int, batch: int) -> int:
    """Bytes of a machine on the card: weights, steps, masks, lists of the lower weights, chains, what blocks exchange.

    The batch is the number of images an update.
    """
    n0, n1, n2 = machine.layer_sizes
    told = 4 * plan.n_blocks * whole_quads(n1) * (2 * padded(batch) + n_chains)
    return 13 * n1 * n2 + 20 * machine.n_weights[0] + (n_chains + 8) * (n0 + n1 + n2) + told


def epoch_of_many(
    card: "Card", work: Sequence[JointWork], cases: Array, epoch: JointEpoch, report: Report
) -> list[JointlyTrained]:
    """One epoch of joint training of machines that the kernel takes.

    Parameters
    ----------
    card : card.Card
    work : list of (BoltzmannMachine, JointState, np.uint64)
    cases : (n_cases, n_visible) uint8, on the card
    epoch : JointEpoch
    report : callable

    Returns
    -------
    list of (BoltzmannMachine, JointState, int)

    Raises
    ------
    NotFiniteError
        With the place of the machine in `work`.
    """
    n_chains, batch = len(work[0][1].chains[0]), epoch.batch_size
    plans = cast("list[Plan]", [plan(machine, n_chains, batch, card) for machine, *_ in work])
    need = max(_bytes_on_card(plan, machine, n_chains, batch) for plan, (machine, *_) in zip(plans, work))

    def run(plans: Sequence[Plan], part: Sequence[JointWork]) -> list[JointlyTrained]:
        return _side_by_side(card, plans, part, cases, epoch, report)

    return cooperative.in_turns(card, plans, work, run, need if epoch.first_update == 0 else None)


def _side_by_side(
    card: "Card", plans: Sequence[Plan], work: Sequence[JointWork], cases: Array, epoch: JointEpoch, report: Report
) -> list[JointlyTrained]:
    """One epoch of joint training of machines that the card holds at the same time; see `epoch_of_many`.

    There is one plan for each machine of the work.
    """
    machines, states, keys = zip(*work)
    held = MachinesOnCard(card, plans, machines, states, keys, epoch)
    per_launch = UPDATES_PER_LAUNCH * epoch.batch_size
    for start in range(0, len(cases), per_launch):
        piece = cases[start : start + per_launch]
        n_updates = -(-len(piece) // epoch.batch_size)
        done = held.run(piece, n_updates, start // epoch.batch_size)
        check_done(done, n_updates, start // epoch.batch_size)
        report(n_updates * len(work))
    return held.results()
