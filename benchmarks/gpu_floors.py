"""The least time that a kernel could take on a card whose rates were measured: arithmetic, no GPU needed.

A floor is the largest of several bounds, each of which alone would take that long: bytes moved / measured bandwidth,
instructions / measured rate, products of bytes / measured rate of the tensor cores, popcounts / (16 a cycle and
multiprocessor), a chain of dependent steps / their measured latencies. Where the work takes several launches, each adds
its latency. Bytes are those of every array once; arrays that fit into the second-level cache may move faster than
memory does, so that a fraction can exceed 1.
"""

from dataclasses import dataclass
from typing import NamedTuple

from boltzprune.backend.fixed_point import N_DIGITS

POPCOUNTS_PER_CYCLE = 16
"""Of 32-bit words, on one multiprocessor: CUDA C++ Programming Guide, arithmetic instructions, 7.5 to 12.0."""
SCHEDULERS = 4
"""Of a multiprocessor; each issues one instruction of one warp a cycle."""
DRAW, LOGISTIC = 30, 15
"""Instructions of a drawn state (kernels/states.cu), and of it the logistic function."""
CONTRASTIVE = 13
"""Instructions a weight and update (kernels/contrastive.cu)."""
WARP = 32


@dataclass(frozen=True)
class Rates:
    """What a card was measured to do.

    Attributes
    ----------
    bandwidth : float
        Bytes read plus bytes written in a second, of a copy within the card's memory.
    float_rate : float
        Operations in float32 a second of a matrix product; a multiply-add, one instruction, is two.
    byte_rate : float
        Operations on whole numbers of 8 bits a second of the tensor cores.
    clock : float, Hz
        Of the multiprocessors, while one block runs.
    n_multiprocessors : int
    launch : float, s
        Of one of many empty kernels that were queued.
    launch_from_python : float, s
        Of one of many empty kernels that are launched one after the other.
    meeting : float, s
        Of the blocks of a machine, 8 for each of 10 machines side by side, by kernels/meet.cuh.
    barrier, shuffle, logistic, add, shared : float, s
        Of one step of a dependent chain of them.
    """

    bandwidth: float
    float_rate: float
    byte_rate: float
    clock: float
    n_multiprocessors: int
    launch: float
    launch_from_python: float
    meeting: float
    barrier: float
    shuffle: float
    logistic: float
    add: float
    shared: float

    def seconds(self, n_bytes=0, instructions=0):
        """Bounds by memory and by arithmetic."""
        return {"bytes": n_bytes / self.bandwidth, "operations": instructions / (self.float_rate / 2)}


class Floor(NamedTuple):
    """Seconds that the work takes at least, what bounds it, and the bounds, of which the largest counts."""

    seconds: float
    bound: str
    bounds: dict


def floor(rates, bounds, n_launches=1):
    """The largest of the bounds; several launches add their latency, one is a bound like the others."""
    launches = {"launches": n_launches * rates.launch}
    bounds = bounds | launches
    seconds = max(bounds.values())
    if n_launches > 1:
        seconds = max(s for name, s in bounds.items() if name != "launches") + launches["launches"]
    return Floor(seconds, max(bounds, key=bounds.get), bounds)


def together(*many):
    """Bounds of several pieces of work, one after the other."""
    return {name: sum(bounds[name] for bounds in many) for name in many[0]}


def field(rates, n_cases, n_units, n_neighbours):
    """Bounds of one launch of kernels/field.cu: a multiply-add a weight, then a logistic function."""
    n_bytes = 4 * n_cases * (n_neighbours + n_units) + 4 * n_units * (n_neighbours + 1)
    return rates.seconds(n_bytes, n_cases * n_units * (n_neighbours + LOGISTIC))


def draw(rates, n_chains, n_units, n_neighbours):
    """Bounds of one launch of kernels/draw.cu: a byte product a digit and weight, then a draw; states are bytes."""
    n_bytes = n_chains * (n_neighbours + n_units) + n_units * (N_DIGITS * n_neighbours + 8)
    products = 2 * N_DIGITS * n_chains * n_units * n_neighbours / rates.byte_rate
    return rates.seconds(n_bytes, DRAW * n_chains * n_units) | {"products": products}


def states(rates, n_chains, n_units):
    """Bounds of kernels/states.cu."""
    return rates.seconds(5 * n_chains * n_units, DRAW * n_chains * n_units)


def pack(rates, n_samples, n_units):
    """Bounds of kernels/pack.cu: a state is read as a byte and written as a bit; shift and or."""
    n_words = -(-n_samples // 64)
    return rates.seconds(n_units * (n_samples + 8 * n_words), 2 * n_units * n_samples)


def pair_counts(rates, n_lower, n_upper, n_samples):
    """Bounds of kernels/pair_counts.cu: packed samples read, counts written; two 32-bit popcounts a word of 64 bits."""
    n_words = -(-n_samples // 64)
    popcounts = 2 * n_lower * n_upper * n_words
    bounds = rates.seconds(8 * (n_words * (n_lower + n_upper) + n_lower * n_upper))
    return bounds | {"popcounts": popcounts / (POPCOUNTS_PER_CYCLE * rates.n_multiprocessors * rates.clock)}


def gibbs(rates, layer_sizes, on, n_chains, n_gibbs_steps):
    """Bounds of kernels/gibbs.cu: additions of the rows of units that are on, draws; 4 barriers a layer and step.

    `on`: units of each layer that are on, on average. The rows are read from the second-level cache, which is no bound
    here, as its rate is not measured.
    """
    padded = [0, *on, 0]
    additions = sum(n * (padded[k] + padded[k + 2]) for k, n in enumerate(layer_sizes))
    n_bytes = 4 * sum(a * b for a, b in zip(layer_sizes[:-1], layer_sizes[1:])) + 2 * n_chains * sum(layer_sizes)
    bounds = rates.seconds(n_bytes, n_chains * n_gibbs_steps * (additions + DRAW * sum(layer_sizes)))
    return bounds | {"chain": n_gibbs_steps * len(layer_sizes) * 4 * rates.barrier}


def free_run(rates, layer_sizes, n_machines, n_chains, n_gibbs_steps):
    """Bounds of kernels/free_run.cu: byte products of each weight twice a step, draws; two meetings a step."""
    weights = sum(a * b for a, b in zip(layer_sizes[:-1], layer_sizes[1:]))
    products = 2 * N_DIGITS * 2 * weights * n_machines * n_chains * n_gibbs_steps / rates.byte_rate
    bounds = rates.seconds(0, DRAW * n_machines * n_chains * n_gibbs_steps * sum(layer_sizes))
    return bounds | {"products": products, "chain": 2 * n_gibbs_steps * rates.meeting}


def joint(rates, layer_sizes, batch, sweeps, n_updates, n_machines, n_blocks):
    """Bounds of kernels/joint.cu: the products with the upper weights, by the multiprocessors that hold a machine.

    Each update has `sweeps` mean-field sweeps and a start, two products each, and the gradient, one; `n_blocks`
    multiprocessors hold a machine, and machines that find no place wait. Meetings of blocks: five, and one a mean-field
    update.
    """
    products = (2 * (sweeps + 1) + 1) * batch * layer_sizes[1] * layer_sizes[2]
    chain = (sweeps + 5) * rates.meeting
    return _shared_machines(rates, n_updates * products, n_updates * chain, n_machines, n_blocks)


def contrastive_wide(rates, n_visible, n_hidden, batch, n_updates, n_machines, n_blocks):
    """Bounds of kernels/contrastive_wide.cu for CD-1: three products, two of the gradient, six instructions a weight.

    Multiprocessors as for `joint`. Dependent: a meeting of blocks and three logistic functions.
    """
    instructions = (5 * batch + 6) * n_visible * n_hidden
    chain = rates.meeting + 3 * rates.logistic
    return _shared_machines(rates, n_updates * instructions, n_updates * chain, n_machines, n_blocks)


def _shared_machines(rates, instructions, chain, n_machines, n_blocks):
    """Bounds of machines that `n_blocks` multiprocessors share each, as many at a time as there are multiprocessors."""
    rounds = -(-n_machines // max(1, rates.n_multiprocessors // n_blocks))
    share = min(1.0, n_blocks / rates.n_multiprocessors)
    return {"operations": rounds * instructions / (share * rates.float_rate / 2), "chain": rounds * chain}


def update_chain(rates, n_visible, n_hidden):
    """Seconds of the dependent steps of one update of kernels/contrastive.cu.

    Two sums over the visible units, each four strands wide: ceil(n / 4) additions, two that join the strands, the bias.
    Five halvings within the warp, a shuffle and an addition each. One barrier, one load from shared memory, an addition
    a warp and the bias. Three logistic functions. Difference, step (two) and weight.
    """
    n_warps = -(-n_hidden // WARP)
    n_additions = 2 * (-(-n_visible // 4) + 3) + 5 + (n_warps + 1) + 4
    waiting = rates.barrier + rates.shared + 5 * rates.shuffle + 3 * rates.logistic
    return waiting + n_additions * rates.add


def contrastive(rates, n_machines, n_visible, n_hidden, n_updates):
    """Bounds of kernels/contrastive.cu: the chain, and the instructions that the warps of a multiprocessor issue."""
    n_warps = -(-n_hidden // WARP) * -(-n_machines // rates.n_multiprocessors)
    cycles = -(-n_warps // SCHEDULERS) * CONTRASTIVE * n_visible
    return {
        "chain": n_updates * update_chain(rates, n_visible, n_hidden),
        "operations": n_updates * cycles / rates.clock,
        "bytes": 8 * n_updates * n_machines / rates.bandwidth,
    }
