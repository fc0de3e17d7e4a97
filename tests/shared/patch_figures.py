"""Tables behind Figures 1 and 2, made up so that no two panels, criteria, iterations, phases or statistics agree."""

import numpy as np
import pandas as pd
from survival_tables import made_up

from boltzprune.pruning.controls import ANEW
from boltzprune.pruning.criteria import CRITERIA as LIST
from boltzprune.report.figures import FIGURES
from boltzprune.results.store import write_arrays

CRITERIA = ["weight_magnitude", "anti_fi", "eigenvector"]
"""Neither in alphabetical order nor in that of the list."""
N_VISIBLE, N_HIDDEN, SHAPE = 13, 7, (17, 23)
N_PARAMETERS = N_VISIBLE * N_HIDDEN + N_VISIBLE + N_HIDDEN
BLOCKS = ((0, 1), (2, 3, 4))
SEEDS = tuple(seed for block in BLOCKS for seed in block)
ITERATIONS, N_PATTERNS, N_SAMPLES = 3, 11, 101


class PatchStudy:
    """All tables of a study of RBMs, and the files that its figures read.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder):
        self.rng, self.folder, self.criteria = np.random.default_rng(31), folder, CRITERIA
        self.example = self._example()
        self.statistics = {seed: self._statistics(seed) for seed in SEEDS}
        self.tables = {"metrics": self._metrics(), "pattern_probabilities": self._probabilities()}
        self.tables |= made_up(CRITERIA, ITERATIONS, SEEDS, 1, (0,))
        write_arrays(folder / "patterns.npz", self.example, {})
        for block in BLOCKS:
            arrays = {f"seed{s}/{name}": array for s in block for name, array in self.statistics[s].items()}
            write_arrays(folder / f"statistics{block[0]}.npz", arrays, {"seeds": list(block)})
        for name, frame in self.tables.items():
            frame.sample(frac=1, random_state=5).to_csv(folder / f"{name}.csv", index=False)

    def inputs(self, name):
        """What a figure reads."""
        files = {name: [self.folder / f"{name}.csv"] for name in self.tables}
        files |= {"patterns": [self.folder / "patterns.npz"]}
        files |= {"statistics": [self.folder / f"statistics{block[0]}.npz" for block in BLOCKS]}
        return {key: files[key] for key in FIGURES[name].inputs}

    def spec(self, name):
        """What the workflow tells a figure."""
        shown = self.criteria if FIGURES[name].by_criterion else []
        return {
            "name": name,
            "formats": ["png"],
            "dpi": 90,
            "study": "Study made up: numbers drawn at random.",
            "criteria": {criterion: LIST[criterion].label for criterion in shown},
            "colours": {criterion: LIST[criterion].colour for criterion in shown},
        }

    def _example(self):
        """An image with other values in each channel, its grey and binary version, and a round patch of it."""
        image = self.rng.integers(0, 256, (*SHAPE, 3)).astype(np.uint8)
        y, x = np.mgrid[-2:3, -2:3].reshape(2, -1)
        offsets = np.stack([y, x], axis=1)[np.hypot(y, x) <= 2]
        centre, binary = np.array([5, 14]), self.rng.integers(0, 2, SHAPE).astype(np.uint8)
        return {
            "example/image": image,
            "example/grey": image.sum(axis=2, dtype=np.int64),
            "example/binary": binary,
            "example/state": binary[tuple((offsets + centre).T)],
            "example/centre": centre,
            "offsets": offsets,
        }

    def _statistics(self, seed):
        """Statistics of one initial machine; its eigenvectors have nothing to do with the diagonal of its FIM."""
        half = self.rng.normal(size=(N_PARAMETERS, 19)) * self.rng.lognormal(sigma=1.3, size=(N_PARAMETERS, 1))
        matrix = half @ half.T
        values = np.sort(self.rng.lognormal(sigma=2.0, size=N_PARAMETERS))[::-1]
        found = {
            "n_samples": np.array(N_SAMPLES),
            "rate0": self.rng.uniform(0.1, 0.4, N_VISIBLE),
            "rate1": self.rng.uniform(0.02, 0.3, N_HIDDEN),
            "pair_mean0": self.rng.uniform(0, 0.3, (N_VISIBLE, N_HIDDEN)),
            "eigenvalues": values,
            "eigenvectors": self.rng.normal(size=(2, N_PARAMETERS)),
        }
        return found | ({"fisher_matrix": matrix.astype(np.float32)} if seed == 0 else {})

    def _metrics(self):
        """Numbers of every machine, of a skewed distribution over seeds, of another size for each machine."""
        rows = [("none", 0, "initial")]
        rows += [(c, k, p) for c in CRITERIA for k in range(1, ITERATIONS + 1) for p in ("pruned", "retrained")]
        rows += [("unpruned", k, "retrained") for k in range(1, ITERATIONS + 1)]
        anew, of_controls = [(c, ITERATIONS, p) for c in CRITERIA for p in ANEW], np.random.default_rng(37)
        found = []
        for criterion, iteration, phase in rows + anew:
            rng = of_controls if phase in ANEW else self.rng
            level = rng.uniform(0.3, 3.0, 3)
            for seed in SEEDS:
                mse, exact, sampled = level * rng.lognormal(sigma=0.7, size=3)
                about = {"criterion": criterion, "iteration": iteration, "phase": phase, "seed": seed}
                values = {"mse_sampled": mse, "kl_exact": exact, "kl_sampled": 9 * sampled, "missing_share": 0.01}
                found.append(about | values)
        return pd.DataFrame(found)

    def _probabilities(self):
        """Patterns of the initial machines and of each criterion's last retrained ones."""
        frames = []
        for criterion in ("none", *CRITERIA):
            mean = self.rng.uniform(-9, -2, N_PATTERNS)
            about = {"criterion": criterion, "iteration": ITERATIONS, "phase": "retrained"}
            about |= {"iteration": 0, "phase": "initial"} if criterion == "none" else {}
            values = {
                "pattern": [f"{i:013b}" for i in range(N_PATTERNS)],
                "log_data": self.rng.uniform(-8, -1, N_PATTERNS),
                "log_model_mean": mean,
                "log_model_q25": mean - self.rng.uniform(0.1, 0.5, N_PATTERNS),
                "log_model_q75": mean + self.rng.uniform(0.6, 0.9, N_PATTERNS),
            }
            frames.append(pd.DataFrame(about | values))
        return pd.concat(frames, ignore_index=True)


def letters(made):
    """Letter of each panel -> the axes that it stands at."""
    found = [(text.get_text(), axes) for axes in made.axes for text in axes.texts if text.get_fontweight() == "bold"]
    assert len({letter for letter, _ in found if letter}) == len([letter for letter, _ in found if letter])
    return {letter: axes for letter, axes in found if letter}


def legend_entries(made):
    """Label of each entry of the legends -> its handle."""
    entries = {}
    for part in (made, *made.subfigs):
        for legend in part.legends:
            entries |= {text.get_text(): handle for text, handle in zip(legend.get_texts(), legend.legend_handles)}
    return entries
