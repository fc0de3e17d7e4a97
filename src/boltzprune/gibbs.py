"""Samples of the joint state by block Gibbs sampling, in blocks of chains so that memory stays small."""

import numpy as np

from boltzprune.streams import uniform

CHAINS_PER_BLOCK = 1 << 13


def sample(machine, n_samples, n_gibbs_steps, key, backend, progress=None, first_chain=0):
    """Joint states of independent chains, each read once after n_gibbs_steps from a random state.

    Step 0 of the stream draws every unit with probability 1/2; steps 1 ... n_gibbs_steps are Gibbs steps. A chain
    depends on its number alone, so neither blocks nor threads change it.

    Parameters
    ----------
    machine : BoltzmannMachine
    n_samples, n_gibbs_steps : int
    key : np.uint64
    backend : Backend
    progress : Progress, optional
        Told of the chains done.
    first_chain : int
        Number of the first chain.

    Returns
    -------
    tuple of (n_samples, n_units) uint8
        All layers.
    """
    blocks = []
    for first in range(0, n_samples, CHAINS_PER_BLOCK):
        chains = first_chain + np.arange(first, min(first + CHAINS_PER_BLOCK, n_samples))
        states = [
            (uniform(key, 0, layer, chains, n_units) < 0.5).astype(np.uint8)
            for layer, n_units in enumerate(machine.layer_sizes)
        ]
        blocks.append(backend.advance(machine, states, key, 1, n_gibbs_steps, first_chain + first))
        if progress is not None:
            progress.advance(len(chains))
    return tuple(np.concatenate(layer) for layer in zip(*blocks))
