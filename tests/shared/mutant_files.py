"""Valid results and tables of a made-up study, as bytes, to be damaged."""

import numpy as np

from boltzprune.results.store import write_arrays

RNG = np.random.default_rng(29)
KEYS = ["criterion", "iteration", "phase"]
LABELS = {"variance_fi": "Variance FI", "anti_fi": "Anti-FI"}


def saved(folder, arrays, provenance=None):
    """The bytes of two results with these arrays, packed and not."""
    about = {"criterion": "anti_fi", "iteration": 1, "phase": "pruned"}
    record = provenance or {"spec": about, "seeds": [3]}
    for compress in (False, True):
        write_arrays(folder / "made.npz", arrays, record, compress)
        yield (folder / "made.npz").read_bytes()


def digit_arrays():
    """What `prepare_digits` writes: 17 training and 5 test images of 5 x 3 pixels, 3 of 4 classes."""
    images = RNG.integers(0, 2, (17, 15), dtype=np.uint8)
    labels = np.arange(17, dtype=np.uint8) % 3
    numbers = {"n_visible": np.array(15), "shape": np.array([5, 3]), "n_train": np.array(13), "n_classes": np.array(4)}
    train = {"packed": np.packbits(images, axis=1), "labels": labels}
    return train | {"test_packed": train["packed"][:5], "test_labels": labels[:5]} | numbers


def columns(names, n=3):
    """Numbers for columns in a table: fractions, counts, others."""
    return {name: np.round(RNG.random(n), 3) if not name.startswith("n_") else RNG.integers(1, 90, n) for name in names}


def metrics(names):
    """A table of metrics as text: two criteria, two iterations, two seeds."""
    where = [("none", 0, "initial", seed) for seed in (0, 1)]
    where += [
        (c, k, p, s)
        for c in ("anti_fi", "variance_fi")
        for k in (1, 2)
        for p in ("pruned", "retrained")
        for s in (0, 1)
    ]
    head = ",".join([*KEYS, "seed", *names])
    lines = [",".join(map(str, (*keys, *(v[0] for v in columns(names, 1).values())))) for keys in where]
    return "\n".join([head, *lines, ""]).encode()


PATCHES = ["n_weights", "n_hidden", "n_visible_connected", "kl_exact", "kl_sampled", "mse_exact", "mse_sampled",
           "n_data_patterns", "n_missing", "missing_share", "hidden_rate", "eigenvalue_1", "eigenvalue_2"]  # fmt: skip
DIGITS = ["n_weights", "n_weights_1", "n_weights_2", "n_units_1", "n_units_2", "n_visible_connected", "encoding_error",
          "activity_1", "activity_2", "quality_mean", "quality_class_mean", "diversity"]  # fmt: skip
REFERENCES = b"""reference,error,n_test,quality_mean,quality_class_mean,diversity
raw,0.1,47,,,
test_digits,,,0.9,0.8,1.1
random_patterns,,,0.3,0.2,0.4
"""


TWO = ("none", 0, "initial"), ("anti_fi", 2, "retrained")


def pattern_table():
    head = "criterion,iteration,phase,pattern,log_data,log_model_mean,log_model_q25,log_model_q75,n_seeds"
    rows = [f"{c},{k},{p},{bits},-1.5,-1.25,-2,-1,2" for c, k, p in TWO for bits in ("00101", "01010", "11111")]
    return "\n".join([head, *rows, ""]).encode()


def class_table():
    rows = [f"{c},{k},{p},{s},{d},0.5,0.{d + 1}" for c, k, p in TWO
            for s in (0, 1) for d in (0, 1)]  # fmt: skip
    return "\n".join(["criterion,iteration,phase,seed,digit,share,quality", *rows, ""]).encode()


def pixel_table():
    rows = [f"{c},{k},{pixel},0.5,2" for c in LABELS for k in (1, 2) for pixel in range(15)]
    return "\n".join(["criterion,iteration,pixel,disconnected,n_seeds", *rows, ""]).encode()


def record_table():
    rows = [
        f"{c},{k},{s},120,3 7 11,,0.1,0.9\n{c},{k},{s + 7},120,,,0.2,"
        for c in LABELS for k in (1, 2) for s in (0, 1)
    ]  # fmt: skip
    columns = "criterion,iteration,seed,n_weights_1,pixels_disconnected,units_removed_1,undecided_1,kept_again_1"
    return "\n".join([columns, *rows, ""]).encode()


def example_table():
    rows = [f"{c},{k},{p},0,{n},010110011100101" for c, k, p in TWO
            for n in range(3)]  # fmt: skip
    return "\n".join(["criterion,iteration,phase,seed,sample,pattern", *rows, ""]).encode()


def beside(path):
    """Valid tables and images that lie beside a damaged one."""
    folder = path.parent / "beside"
    if not folder.exists():
        folder.mkdir()
        made = {"digits_references": REFERENCES, "digits_pixels": pixel_table(), "digits_classes": class_table()}
        made |= {"digits_examples": example_table(), "pattern_probabilities": pattern_table()}
        made |= {"digits_metrics": metrics(DIGITS), "metrics": metrics(PATCHES)}
        for name, content in made.items():
            (folder / f"{name}.csv").write_bytes(content)
        (folder / "digits.npz").write_bytes(next(saved(folder, digit_arrays())))
    names = ("digits_references", "digits_pixels", "digits_classes")
    return {name: [folder / f"{name}.csv"] for name in names} | {"digits": [folder / "digits.npz"]}
