"""Two programs timed in turn, so that a machine whose speed drifts changes neither side alone."""

import statistics
import time

REPEATS = 5


def seconds(function):
    """Wall time of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def in_turn(sides):
    """Rates of several programs measured in turn, and how many times faster the first is than each of the others.

    Parameters
    ----------
    sides : dict of str to (callable, int)
        Name -> program, and how much one call of it does.

    Returns
    -------
    dict
        "rates": name -> median rate, in units a second; "ratios": name -> median, least and largest ratio of the first
        program's rate to its own, each of two calls one after the other.
    """
    for function, _ in sides.values():
        function()
    rates = [{name: n / seconds(function) for name, (function, n) in sides.items()} for _ in range(REPEATS)]
    first, *others = sides
    ratios = {name: sorted(turn[first] / turn[name] for turn in rates) for name in others}
    return {
        "rates": {name: round(statistics.median(turn[name] for turn in rates), 1) for name in sides},
        "ratios": {
            name: [round(x, 2) for x in (statistics.median(found), found[0], found[-1])]
            for name, found in ratios.items()
        },
    }


def paired(ours, theirs, n_ours, n_theirs):
    """Rates of two programs measured in turn, and their ratio."""
    found = in_turn({"ours": (ours, n_ours), "theirs": (theirs, n_theirs)})
    rates, (ratio, least, largest) = found["rates"], found["ratios"]["theirs"]
    return {
        "ours_per_s": rates["ours"],
        "peer_per_s": rates["theirs"],
        "ratio": ratio,
        "ratio_min": least,
        "ratio_max": largest,
    }
