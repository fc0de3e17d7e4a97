"""From the few numbers of a schedule to learning rate and momentum of every epoch."""

from typing import Any


def learning_rates(first: float, last: float, n: int) -> list[float]:
    """n learning rates, log-spaced: first (last / first)^(k / (n - 1)), k = 0 ... n - 1.

    Parameters
    ----------
    first, last : float, > 0
    n : int, >= 1
        One epoch has the first rate.

    Returns
    -------
    list of float
    """
    if n == 1:
        return [first]
    return [first * (last / first) ** (k / (n - 1)) for k in range(n)]


def epochs(schedule: Any) -> list[tuple[float, float]]:
    """Learning rate and momentum of each epoch.

    Parameters
    ----------
    schedule : config.digits.Schedule or config.patches.Training
        A `Training` lists its epochs. In a `Schedule` with skip_first, epoch k takes entry k + 1 of both schedules, and
        the last epoch the last entry; a last_learning_rate replaces the rate of the last epoch.

    Returns
    -------
    list of (float, float)
        One pair per epoch, schedule.n_epochs of them.
    """
    if not hasattr(schedule, "n_epochs"):
        return list(zip(schedule.learning_rate, schedule.momentum))
    n = schedule.schedule_epochs or schedule.n_epochs
    first, last = schedule.learning_rate
    rates = learning_rates(first, last, n)
    early, late = schedule.momentum
    momenta = [early if k < schedule.momentum_switch else late for k in range(n)]
    places = [min(k + schedule.skip_first, n - 1) for k in range(schedule.n_epochs)]
    *pairs, (rate, momentum) = [(rates[k], momenta[k]) for k in places]
    return [*pairs, (schedule.last_learning_rate or rate, momentum)]
