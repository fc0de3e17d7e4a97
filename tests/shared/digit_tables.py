"""Tables of the second experiment as its evaluation would write them: plausible numbers from a literal seed."""

import numpy as np
import pandas as pd
from survival_tables import made_up

from boltzprune.pruning.controls import ANEW
from boltzprune.pruning.criteria import CRITERIA
from boltzprune.report.figures import FIGURES

DIGITS_CRITERIA = ["variance_fi", "heuristic_fi", "weight_magnitude", "random_weights", "anti_fi", "random_units"]
HARM = {"variance_fi": 0.3, "heuristic_fi": 0.12, "weight_magnitude": 0.02, "random_weights": 0.7, "anti_fi": 3.0}
UNITS = {"variance_fi": 0.35, "heuristic_fi": 0.4, "weight_magnitude": 0.0, "random_weights": 0.01, "anti_fi": 0.2}


class Digits:
    """All tables of a study, and the files that its figures read.

    Parameters
    ----------
    folder : Path
    criteria : list of str
    iterations, seeds : int
    shape : (int, int)
    n_classes : int
    """

    def __init__(self, folder, criteria=None, iterations=10, seeds=10, shape=(20, 20), n_classes=10):
        self.rng = np.random.default_rng(20210917)
        self.folder, self.criteria, self.iterations, self.seeds = folder, criteria or DIGITS_CRITERIA, iterations, seeds
        self.shape, self.n_classes, self.n_visible = shape, n_classes, shape[0] * shape[1]
        self.machines = [("none", 0, "initial")] + [
            (name, k, phase)
            for name in self.criteria
            for k in range(1, iterations + 1)
            for phase in ("pruned", "retrained")
        ]
        folder.mkdir(parents=True, exist_ok=True)
        self.tables = {
            "digits_metrics": self._metrics(),
            "digits_classes": self._classes(),
            "digits_pixels": self._pixels(),
            "digits_examples": self._examples(),
            "digits_references": self._references(),
        }
        self.tables["digits_metrics"] = pd.concat([self.tables["digits_metrics"], self._controls()], ignore_index=True)
        self.tables |= made_up(self.criteria, iterations, range(seeds), 2, (0, 1), "digits_")
        self._patterns()
        self.write()

    def write(self):
        """The tables as they are now."""
        for name, frame in self.tables.items():
            frame.to_csv(self.folder / f"{name}.csv", index=False)

    def inputs(self, name):
        """What a figure reads."""
        return {
            key: [self.folder / ("digits.npz" if key == "digits" else f"{key}.csv")] for key in FIGURES[name].inputs
        }

    def spec(self, name, **values):
        """What the workflow tells a figure."""
        return {
            "name": name,
            "formats": ["png"],
            "dpi": 40,
            "study": "Study made up: numbers drawn at random.",
            "criteria": {criterion: _label(criterion) for criterion in self.criteria},
            "colours": {criterion: _colour(criterion) for criterion in self.criteria},
            **values,
        }

    def _metrics(self):
        rows, before = [], {}
        for name, k, phase in self.machines:
            harm, units = HARM.get(name, 1.0), UNITS.get(name, 0.35)
            for seed in range(self.seeds):
                row = self._metric(name, k, phase, seed, harm * k, units * k)
                if phase == "retrained":  # which changes no size
                    row |= {key: before[seed][key] for key in row if key.startswith("n_")}
                before[seed] = row
                rows.append(row)
        return pd.DataFrame(rows)

    def _metric(self, name, k, phase, seed, harm, lost):
        def noise(sd):
            return float(np.exp(sd * self.rng.standard_normal()))

        n, n2, spread = self.n_visible, int(1.69 * self.n_visible), (0.3 if name == "anti_fi" else 0.05) * (k > 0)
        first, second = int(22.09 * n * 0.9**k * noise(spread / 5)), int(n * n2 * (0.72 - 0.1 * lost / 4) ** k)
        second = int(max(second, 50) * noise(spread))
        error = np.clip(0.05 * noise(0.05) * np.exp(0.35 * harm), 0, 0.93)
        quality = np.clip((0.85 - 0.04 * harm) * noise(0.01), 0.2, 1) - 0.08 * (phase == "pruned")
        pruned = phase == "pruned"
        return {
            "criterion": name, "iteration": k, "phase": phase, "seed": seed,
            "n_weights": first + second, "n_weights_1": first, "n_weights_2": second,
            "n_units_1": int(n * max(0.2, 1 - 0.04 * lost)),
            "n_units_2": int(n2 * max(0.05, 1 - 0.2 * lost) * noise(spread)),
            "n_visible_connected": n, "encoding_error": np.nan if pruned else error,
            "encoding_train_error": np.nan if pruned else error / 2, "encoding_converged": np.nan if pruned else 1,
            "quality_mean": quality, "quality_class_mean": quality - 0.1,
            "diversity": np.log(self.n_classes) * np.clip(0.98 - 0.02 * harm, 0.2, 1) * noise(0.004),
            "activity_1": 0.4 * noise(0.01) * (1 - 0.03 * k + 0.006 * k**2),
            "activity_2": 0.005 * noise(0.2) * 1.5**(lost * 2),
        }  # fmt: skip

    def _controls(self):
        """Rows of the controls: sizes as of the retrained machines, everything else other by a factor for each."""
        metrics, rng = self.tables["digits_metrics"], np.random.default_rng(29)
        last = metrics[(metrics["iteration"] == self.iterations) & (metrics["phase"] == "retrained")]
        parts = [last.assign(phase=phase) for phase in ANEW]
        initial = metrics[metrics["phase"] == "initial"]
        every = range(1, self.iterations + 1)
        parts += [initial.assign(criterion="unpruned", iteration=k, phase="retrained") for k in every]
        made = pd.concat(parts, ignore_index=True)
        made["encoding_error"] = np.clip(made["encoding_error"] * np.exp(0.3 * rng.standard_normal(len(made))), 0, 0.93)
        return made

    def _classes(self):
        rows = []
        for name, k, phase in self.machines:
            for seed in range(self.seeds):
                share = self.rng.dirichlet(np.full(self.n_classes, 100 / (1 + k)))
                quality = self.rng.uniform(0.6, 0.95, self.n_classes)
                rows += [
                    {
                        "criterion": name, "iteration": k, "phase": phase, "seed": seed, "digit": digit,
                        "share": share[digit], "quality": quality[digit],
                    }
                    for digit in range(self.n_classes)
                ]  # fmt: skip
        return pd.DataFrame(rows)

    def _pixels(self):
        y, x = np.indices(self.shape).reshape(2, -1)
        edge = np.minimum.reduce([y, x, self.shape[0] - 1 - y, self.shape[1] - 1 - x]).astype(float)
        rows = []
        for name in self.criteria:
            for k in range(1, self.iterations + 1):
                far = edge.max() - edge if name == "anti_fi" else edge
                chance = np.clip(UNITS.get(name, 0.1) * k - 0.8 * far, 0, 1)
                value = np.round(chance * self.seeds) / self.seeds
                rows.append(
                    pd.DataFrame({"criterion": name, "iteration": k, "pixel": np.arange(len(y)), "disconnected": value})
                )
        return pd.concat(rows, ignore_index=True).assign(n_seeds=self.seeds)

    def image(self, sharp=1.0):
        """A ring or stroke on an empty ground, as flat pixels; less sharp, more noise."""
        height, width = self.shape
        y, x = np.indices(self.shape)
        y0, x0 = self.rng.uniform(0.4, 0.6, 2) * (height, width)
        radius = self.rng.uniform(0.2, 0.38) * min(height, width)
        ring = np.abs(np.hypot(y - y0, 1.4 * (x - x0)) - radius) < 0.07 * min(height, width) + 0.3
        noise = self.rng.random(self.shape) < 0.5 * (1 - sharp)
        return (ring ^ noise).astype(np.uint8).ravel()

    def _examples(self):
        rows = []
        for name, k, phase in self.machines:
            if phase != "pruned":
                sharp = np.exp(-0.05 * HARM.get(name, 1.0) * k)
                patterns = ["".join(map(str, self.image(sharp))) for _ in range(10)]
                rows += [(name, k, phase, 0, sample, pattern) for sample, pattern in enumerate(patterns)]
        return pd.DataFrame(rows, columns=["criterion", "iteration", "phase", "seed", "sample", "pattern"])

    def _references(self):
        even = np.log(self.n_classes)
        columns = "reference n_train n_test error converged quality_mean quality_class_mean diversity"
        rows = [
            ("raw", 1009, 499, 0.081, 1, np.nan, np.nan, np.nan),
            ("raw_all", 2003, 499, 0.079, 1, np.nan, np.nan, np.nan),
            ("test_digits", np.nan, 499, np.nan, np.nan, 0.9, 0.88, even - 0.003),
            ("random_patterns", np.nan, 499, np.nan, np.nan, 0.61, 0.45, 1.1),
        ]
        return pd.DataFrame(rows, columns=columns.split())

    def _patterns(self):
        labels = self.rng.permutation(np.arange(53) % self.n_classes)
        images = np.array([self.image() for _ in labels])
        packed = np.packbits(images, axis=1)
        np.savez(
            self.folder / "digits.npz", packed=packed, labels=labels, test_packed=packed, test_labels=labels,
            n_visible=self.n_visible, shape=self.shape, n_train=41,
        )  # fmt: skip
        self.images, self.labels = images, labels


def _label(name):
    return CRITERIA[name].label if name in CRITERIA else name.rpartition(":")[2].replace("_", " ")


def _colour(name):
    return CRITERIA[name].colour if name in CRITERIA else "#332288"
