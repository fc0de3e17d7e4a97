"""What is timed of primitives as the workflow calls them: all launches, and what goes to the card and comes back."""

import gpu_floors as floors
import numpy as np
from gpu_inputs import binary, deep_machine, key_of, parameters_on, random_machine
from gpu_rows import Piece

from boltzprune.backend import reference

TOLERANCE, MAX_UPDATES = 1e-5, 50
STRENGTH, MAX_ITERATIONS, GRADIENT = 1.0, 1000, 1e-4
"""Of the logistic regression, as scikit-learn's C, max_iter and tol."""


def advance(bench):
    """Gibbs steps of all chains of an RBM, two launches each."""
    backend, naive, sizes, rates = bench.backend, bench.naive, bench.sizes, bench.rates
    shape, n_chains, n_gibbs_steps = (sizes.visible, sizes.hidden), sizes.chains, sizes.steps
    machine, given = random_machine(shape), [binary((n_chains, n), 0.4, seed=n) for n in (sizes.visible, sizes.hidden)]
    parameters, layers = parameters_on(backend, machine), [backend.asarray(layer) for layer in given]
    weights, biases, floats = (naive.floats(group) for group in (machine.weights, machine.biases, given))
    step = floors.together(*(floors.draw(rates, n_chains, a, b) for a, b in (shape, shape[::-1])))
    bounds = {name: n_gibbs_steps * seconds for name, seconds in step.items()}

    def theirs():
        for _ in range(n_gibbs_steps):
            naive.gibbs_step(weights, biases, floats)

    return Piece(
        "advance",
        f"{n_gibbs_steps} steps, {n_chains} chains of {shape[0]} x {shape[1]}",
        lambda: backend.advance(parameters, layers, key_of("samples"), 1, n_gibbs_steps, 0),
        queued=False,
        floor=floors.floor(rates, bounds, 2 * n_gibbs_steps),
        naive=theirs,
        counts={"chain_steps": n_gibbs_steps * n_chains},
    )


def mean_field(bench):
    """Mean field of random images under random weights, where it takes few updates: no test of trained machines."""
    backend, sizes = bench.backend, bench.sizes
    machine, images = deep_machine(sizes.deep), binary((sizes.images, sizes.deep[0]), 0.3)
    on_card = backend.asarray(images)

    def ours():
        return backend.mean_field(machine, on_card, TOLERANCE, MAX_UPDATES)

    def about():
        n_sweeps = backend.to_host(ours()[1])
        return {
            "updates_an_image": float(n_sweeps.mean()),
            "most_updates": int(n_sweeps.max()),
            "note": "random weights, for which mean field takes fewer updates than for trained ones",
        }

    size = f"{sizes.images} images, {'-'.join(map(str, sizes.deep))}, random weights"
    return Piece("mean_field", size, ours, queued=False, counts={"images": sizes.images}, about=about)


def eigh(bench):
    """All eigenvalues and eigenvectors of a matrix of the Fisher matrix's size, float64, against SciPy."""
    n, generator = bench.sizes.parameters, np.random.default_rng(0)
    half = generator.standard_normal((n, n))
    matrix = half @ half.T / n
    on_card = bench.backend.asarray(matrix)
    return Piece(
        "eigh",
        f"{n} x {n}, float64",
        lambda: bench.backend.eigh(on_card),
        queued=False,
        naive=lambda: reference.Backend().eigh(matrix),
        naive_is="SciPy, CPU",
        on_host=True,
    )


def logistic(bench):
    """Logistic regression of random states whose classes a random linear rule gives, against scikit-learn."""
    from boltzprune.evaluation.logistic import minimise

    sizes, generator = bench.sizes, np.random.default_rng(0)
    features = binary((sizes.cases, sizes.deep[-1]), 0.1)
    scores = features @ generator.standard_normal((sizes.deep[-1], sizes.classes))
    labels = (scores + generator.gumbel(size=scores.shape)).argmax(axis=1)
    on_card, iterations = bench.backend.asarray(features), {}

    def ours():
        found = minimise(on_card, labels, sizes.classes, STRENGTH, MAX_ITERATIONS, GRADIENT, bench.backend)
        iterations["iterations"] = int(found[2])

    def theirs():
        from sklearn.linear_model import LogisticRegression

        model = LogisticRegression(C=STRENGTH, max_iter=MAX_ITERATIONS, tol=GRADIENT)
        model.fit(features.astype(np.float32), labels)
        iterations["iterations_of_scikit_learn"] = int(np.max(model.n_iter_))

    return Piece(
        "logistic",
        f"{sizes.cases} cases, {sizes.deep[-1]} features, {sizes.classes} classes",
        ours,
        queued=False,
        naive=theirs,
        naive_is="scikit-learn, CPU",
        on_host=True,
        about=lambda: dict(iterations),
    )


PIECES = [
    ("advance", advance),
    ("mean_field", mean_field),
    ("eigh", eigh),
    ("logistic", logistic),
]
"""(name, function of a Bench that gives a Piece)."""
