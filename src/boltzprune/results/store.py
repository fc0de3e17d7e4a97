"""What lies in files of results: tables, JSON, and named arrays that carry where they come from.

Nothing that differs between two equal computations enters a file: no time, no absolute path, no host name.
"""

import csv
import hashlib
import io
import json
import os
import re
import reprlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from boltzprune.core.fisher import Statistics
from boltzprune.core.machine import BoltzmannMachine
from boltzprune.errors import InputError
from boltzprune.results import npz
from boltzprune.results.files import check_regular
from boltzprune.results.whole_files import atomic

if TYPE_CHECKING:
    import pandas as pd

    from boltzprune.sampling.mixing import Mixing

PROVENANCE, MAX_JSON = "provenance", 2**24
CHECKPOINT = ".checkpoint"
"""End of the name of a file that is no result: where a training goes on from."""
OF_PRUNING = {"criterion": str, "iteration": int}
WHICH = {**OF_PRUNING, "phase": str}
"""Keys of a spec that say which pruning, or which machines, a result is of."""


def write_bytes(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a whole file at once."""
    with atomic(path) as temporary:
        temporary.write_bytes(content)


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write JSON, indented, keys in the given order."""
    write_bytes(path, (json.dumps(value, indent=2) + "\n").encode())


def write_table(path: str | os.PathLike[str], frame: "pd.DataFrame") -> None:
    """Write a pandas DataFrame as CSV (compressed where the name ends in .gz), floats at full precision."""
    text = frame.to_csv(index=False, lineterminator="\n").encode()
    if str(path).endswith(".gz"):
        import gzip

        text = gzip.compress(text, compresslevel=6, mtime=0)  # 9 takes thrice as long for a percent less
    write_bytes(path, text)


def write_rows(path: str | os.PathLike[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Write dicts with the same keys as CSV; an empty field is a value that does not exist."""
    content = io.StringIO()
    writer = csv.DictWriter(content, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: "" if value != value else value for key, value in row.items()} for row in rows)
    write_bytes(path, content.getvalue().encode())


def read_json(path: str | os.PathLike[str]) -> Any:
    """The value in a JSON file."""
    try:
        check_regular(path, MAX_JSON)
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not a readable JSON file ({error}); delete it and run again") from error


def checksum(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file, hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_arrays(
    path: str | os.PathLike[str], arrays: Mapping[str, np.ndarray], provenance: Any, compress: bool = False
) -> None:
    """Write named arrays and a record of their provenance as one .npz file; equal content gives equal bytes.

    Parameters
    ----------
    path
    arrays
    provenance
        Anything that JSON can hold.
    compress
        Whether the arrays are deflated.
    """
    content = io.BytesIO()
    record = np.frombuffer(json.dumps(provenance, sort_keys=True).encode(), dtype=np.uint8)
    members: dict[str, Any] = {**arrays, PROVENANCE: record}
    (np.savez_compressed if compress else np.savez)(content, **members)
    write_bytes(path, content.getvalue())


class Arrays:
    """The arrays of one .npz file, read when asked for; a changed bit is noticed wherever it would change an array.

    Raises
    ------
    InputError
        If the file is missing, truncated, no result of a stage, or lacks what is asked for.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        try:
            self._file = npz.open_archive(self.path)
            keys = npz.keys(self._file)
            if len(keys) != self._number():
                raise ValueError("its directory has lost an entry")
            for member in self._file.infolist():
                self._file.open(member).close()  # a name that has changed is no longer the one beside the array
        except MemoryError:
            raise
        except FileNotFoundError as error:
            raise InputError(f"{path}: there is no such file") from error
        except Exception as error:
            raise InputError(f"{path}: not a readable result ({error}); delete it and run again") from error
        self.names = set(keys)
        if len(self.names) < len(keys):
            raise InputError(f"{path}: holds an array twice; delete it and run again")

    def _number(self) -> int:
        """How many members there are, by the last record of the file: in two bytes before its last ten."""
        with open(self.path, "rb") as file:
            file.seek(-12, os.SEEK_END)
            return int.from_bytes(file.read(2), "little")

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self.names:
            raise InputError(f"{self.path}: has no {name!r}; delete it and run again")
        try:
            return npz.read_array(self._file, name)
        except MemoryError:
            raise
        except Exception as error:
            raise InputError(f"{self.path}: {name!r} is damaged ({error}); delete the file and run again") from error

    def checked(self, name: str, kinds: str, shape: tuple[int | None, ...]) -> np.ndarray:
        """An array of finite numbers of the type and shape expected; InputError otherwise.

        Parameters
        ----------
        name
        kinds
            What its `dtype.kind` may be, a character each.
        shape
            None: any length along this axis.
        """
        array = self[name]
        fits = array.ndim == len(shape) and all(n in (None, found) for n, found in zip(shape, array.shape))
        if array.dtype.kind not in kinds or not fits:
            expected = f"numbers of kind {' or '.join(kinds)} and shape {shape}".replace("None", "any")
            raise self.damaged(f"{name!r} is {array.dtype} of shape {array.shape}; expected {expected}")
        if not np.isfinite(array).all():
            raise self.damaged(f"{name!r} has a value that is NaN or infinite")
        return array

    def number(self, name: str) -> int:
        """A whole number, 0 or larger."""
        value = int(self.checked(name, "iu", ()))
        if value < 0:
            raise self.damaged(f"{name!r} is {value}; expected 0 or more")
        return value

    def states(self, name: str, n_units: int) -> npt.NDArray[np.uint8]:
        """States that were packed into bits: (n, n_units) uint8 in {0, 1}."""
        return np.unpackbits(self.checked(name, "u", (None, -(-n_units // 8))), axis=1, count=n_units)

    def damaged(self, what: str) -> InputError:
        """The InputError for a file whose content is not what it has to be."""
        return InputError(f"{self.path}: {what}; delete the file and run again")

    @property
    def provenance(self) -> dict[str, Any]:
        """The record written with the arrays."""
        try:
            record = json.loads(self.checked(PROVENANCE, "u", (None,)).tobytes())
        except (ValueError, RecursionError) as error:
            raise self.damaged(f"{PROVENANCE!r} is not readable ({error})") from error
        if not isinstance(record, dict):
            raise self.damaged(f"{PROVENANCE!r} is no record")
        return record

    @property
    def seeds(self) -> list[int]:
        """Seeds that the file holds: those of the job that wrote it but for the ones in `ended`."""
        seeds = self.provenance.get("seeds")
        if not isinstance(seeds, list) or any(type(seed) is not int for seed in seeds) or not (seeds or self.ended):
            raise self.damaged(f"its seeds are {reprlib.repr(seeds)}; expected whole numbers")
        return seeds

    @property
    def ended(self) -> dict[int, int]:
        """Seeds of that job whose course has ended (see `pruning`) -> with which iteration."""
        ended = self.provenance.get("ended", {})
        is_good = isinstance(ended, dict) and all(key.isdecimal() for key in ended)
        if not is_good or any(type(iteration) is not int or iteration < 1 for iteration in ended.values()):
            raise self.damaged(f"its ended seeds are {reprlib.repr(ended)}; expected an iteration for each")
        return {int(seed): iteration for seed, iteration in ended.items()}

    @property
    def about(self) -> dict[str, Any]:
        """Criterion, iteration and phase of the machines behind it."""
        return self._told(WHICH, ", ".join(WHICH))

    @property
    def of_pruning(self) -> dict[str, Any]:
        """Criterion and iteration of the pruning that it is of."""
        return self._told(OF_PRUNING, "the criterion and the iteration of a pruning")

    def _told(self, keys: Mapping[str, type], expected: str) -> dict[str, Any]:
        """Values of the spec, each of its type; InputError if the file does not say them."""
        spec = self.provenance.get("spec")
        found = {key: spec.get(key) if isinstance(spec, dict) else None for key in keys}
        if [type(value) for value in found.values()] != list(keys.values()):
            raise self.damaged(f"it is of {reprlib.repr(found)}; expected {expected}")
        return found


def machine_arrays(seed: int, machine: BoltzmannMachine) -> dict[str, np.ndarray]:
    """A machine as named arrays: seed3/weights0, seed3/mask0, seed3/bias0, seed3/units0, ..."""
    arrays: dict[str, np.ndarray] = {}
    for name, layers in (
        ("weights", machine.weights),
        ("mask", machine.masks),
        ("bias", machine.biases),
        ("units", machine.units),
    ):
        arrays |= {f"seed{seed}/{name}{layer}": array for layer, array in enumerate(layers)}
    return arrays


def read_machine(arrays: Arrays, seed: int) -> BoltzmannMachine:
    """The machine of one seed from `Arrays`."""
    n_layers = sum(name.startswith(f"seed{seed}/bias") for name in arrays.names)
    if n_layers == 0:
        raise InputError(f"{arrays.path}: has no machine of seed {seed}; delete it and run again")
    weights = _layers(arrays, f"seed{seed}/weights", n_layers - 1, "f", (None, None))
    masks = _layers(arrays, f"seed{seed}/mask", n_layers - 1, "b", (None, None))
    biases = _layers(arrays, f"seed{seed}/bias", n_layers, "f", (None,))
    units = _layers(arrays, f"seed{seed}/units", n_layers, "iu", (None,))
    try:
        return BoltzmannMachine(weights, biases, masks, units)
    except InputError as error:
        raise arrays.damaged(f"seed {seed}, {error}") from error


def _layers(arrays: Arrays, name: str, n: int, kinds: str, shape: tuple[int | None, ...]) -> tuple[np.ndarray, ...]:
    """One checked array per layer."""
    return tuple(arrays.checked(f"{name}{layer}", kinds, shape) for layer in range(n))


def chain_arrays(seed: int, chains: Sequence[np.ndarray]) -> dict[str, npt.NDArray[np.uint8]]:
    """Persistent chains as named arrays, bit-packed: seed3/chain0, ..."""
    return {f"seed{seed}/chain{layer}": np.packbits(states, axis=1) for layer, states in enumerate(chains)}


def read_chains(arrays: Arrays, seed: int, layer_sizes: Sequence[int]) -> tuple[npt.NDArray[np.uint8], ...]:
    """The persistent chains of one seed: (n_chains, n_units) in {0, 1} for each layer.

    Parameters
    ----------
    arrays
        Those that `chain_arrays` made, read from a file.
    seed
    layer_sizes
        Units of each layer, visible first.
    """
    chains = tuple(arrays.states(f"seed{seed}/chain{layer}", n) for layer, n in enumerate(layer_sizes))
    if len({len(states) for states in chains}) > 1:
        raise arrays.damaged(f"seed {seed} has {[len(states) for states in chains]} chains of its layers")
    return chains


def statistics_arrays(seed: int, statistics: Statistics) -> dict[str, np.ndarray]:
    """`Statistics` as named arrays: seed3/n_samples, seed3/rate0, seed3/pair_mean0, seed3/rate_effective0, ..."""
    arrays = {f"seed{seed}/n_samples": np.array(statistics.n_samples)}
    for name, group in (
        ("rate", statistics.rates),
        ("pair_mean", statistics.pair_means),
        ("rate_effective", statistics.rate_effective),
        ("pair_effective", statistics.pair_effective),
    ):
        arrays |= {f"seed{seed}/{name}{layer}": array for layer, array in enumerate(group)}
    return arrays


def read_statistics(arrays: Arrays, seed: int) -> tuple[Statistics, np.ndarray | None]:
    """The `Statistics` of one seed from `Arrays` that stage `sample` wrote, and its leading eigenvector or None."""
    name = f"seed{seed}/"
    n_layers = sum(re.fullmatch(rf"{name}rate\d+", key) is not None for key in arrays.names)
    rates = _layers(arrays, f"{name}rate", n_layers, "f", (None,))
    sizes = [len(rate) for rate in rates]
    pairs = list(zip(sizes[:-1], sizes[1:]))
    pair_means = tuple(arrays.checked(f"{name}pair_mean{i}", "f", shape) for i, shape in enumerate(pairs))
    of_rates: tuple[np.ndarray, ...] = ()
    of_pairs: tuple[np.ndarray, ...] = ()
    if f"{name}rate_effective0" in arrays.names:
        of_rates = tuple(arrays.checked(f"{name}rate_effective{i}", "f", (n,)) for i, n in enumerate(sizes))
        of_pairs = tuple(arrays.checked(f"{name}pair_effective{i}", "f", shape) for i, shape in enumerate(pairs))
    if any((mean < 0).any() or (mean > 1).any() for mean in (*rates, *pair_means)):
        raise arrays.damaged(f"a mean of seed {seed} is not in [0, 1]")
    leading = None
    if f"{name}eigenvectors" in arrays.names:
        leading = arrays.checked(f"{name}eigenvectors", "f", (2, None))[0]
    return Statistics(arrays.number(f"{name}n_samples"), rates, pair_means, of_rates, of_pairs), leading


MIXING = ("energy_time", "rate_time", "p_memory", "p_starts", "mixes")
"""What is kept of `mixing.Mixing`, as columns of metrics; `mixes` is 0 where there was a warning, else 1."""


def mixing_array(mixing: "Mixing", warning: str) -> npt.NDArray[np.float64]:
    """`MIXING` as an array."""
    return np.array([*(getattr(mixing, name) for name in MIXING[:-1]), not warning], dtype=np.float64)


def read_mixing(arrays: Arrays, seed: int) -> dict[str, float]:
    """`MIXING` of one seed from `Arrays` that a stage `sample` wrote; NaN where the samples are not of chains."""
    name = f"seed{seed}/mixing"
    if name not in arrays.names:
        return dict.fromkeys(MIXING, np.nan)
    return dict(zip(MIXING, arrays.checked(name, "f", (len(MIXING),)).tolist()))
