"""How long a cluster shall let a job run: what it would take by the rates of the package, with room.

A pure function of the study: finished jobs, the computer at hand and what has been computed do not enter.
"""

import functools
import json
import math
from pathlib import Path

from boltzprune.study import jobs
from boltzprune.study.config import Study
from boltzprune.study.cost import rates, sizes
from boltzprune.study.stages import STAGES, Job

ROOM = 3
"""Times what the rates say: for slower and busier computers, and for what the rates do not know."""
LEAST, UNKNOWN = 30, 480
"""Minutes: no limit is below the first; the second where the size of the user's data is not known."""


class Limits:
    """Limits of the jobs of one study.

    Parameters
    ----------
    study : config.Study
    """

    def __init__(self, study: Study) -> None:
        self._study, self._sizes = study, sizes.of_study(study)
        self._seconds = functools.cache(self._by_rates)

    def minutes(self, stage: str, block: str = "0-0", threads: int = 1, **n_inputs: int) -> int:
        """The limit of a job's first attempt.

        Parameters
        ----------
        stage : str
        block : str
            Its seeds, as first-last.
        threads : int
            That it gets; they share its seeds.
        **n_inputs : int
            How many files it is given under a name, where that matters to `workload.work`.

        Returns
        -------
        int
            For a job on CPUs; one on a GPU takes less.
        """
        n_seeds = len(jobs.seeds_of(block))
        seconds = self._seconds(stage, n_seeds, tuple(n_inputs.items()))
        if seconds is None:
            return UNKNOWN
        on_one_thread = math.ceil(n_seeds / threads) / n_seeds
        return max(LEAST, math.ceil(ROOM * on_one_thread * seconds / 60))

    def _by_rates(self, stage: str, n_seeds: int, n_inputs: tuple[tuple[str, int], ...]) -> float | None:
        """Processor time by the rates; None if the work is not known."""
        row = STAGES[stage]
        most = {"eigenvector": True, "iteration": getattr(self._study, row.experiment).iterations}  # not all jobs do it
        spec = json.loads(jobs.job(self._study, stage, **{key: most[key] for key in most if key in row.spec})["spec"])
        files = {name: [Path()] * n for name, n in n_inputs}
        work = Job(stage, files, {}, spec, tuple(range(n_seeds))).work(self._sizes)
        return None if work is None else rates.shipped().starts.get(stage, 0.0) + rates.shipped().seconds(work)
