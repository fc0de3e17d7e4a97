"""Files that appear whole or not at all, and carry where they come from.

Nothing that differs between two equal computations enters a file: no time, no absolute path, no host name.
"""

import contextlib
import csv
import hashlib
import io
import json
import os
import re
import socket
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np

from boltzprune import lifeline
from boltzprune.errors import InputError
from boltzprune.fisher import Statistics
from boltzprune.machine import BoltzmannMachine

PROVENANCE = "provenance"


@contextlib.contextmanager
def atomic(path):
    """A temporary path that takes the place of `path` when the block ends well; InputError if it cannot be written."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}.partial{path.suffix}")
    lifeline.unfinished.add(temporary)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_left_over(path)
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written ({error.strerror or error}); is the folder writable, the disk full?"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
        lifeline.unfinished.discard(temporary)


def _remove_left_over(path):
    """Remove temporary files of `path` whose writers on this machine were killed."""
    pattern = re.compile(re.escape(f".{path.name}.{socket.gethostname()}.") + r"(\d+)\.partial.*")
    for other in path.parent.iterdir():
        if (match := pattern.fullmatch(other.name)) and not _is_alive(int(match[1])):
            other.unlink(missing_ok=True)


def _is_alive(pid):
    """Whether there is such a process on this machine."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def write_bytes(path, content):
    """Write a whole file at once."""
    with atomic(path) as temporary:
        temporary.write_bytes(content)


def write_json(path, value):
    """Write JSON, indented, keys in the given order."""
    write_bytes(path, (json.dumps(value, indent=2) + "\n").encode())


def write_table(path, frame):
    """Write a pandas DataFrame as CSV (compressed where the name ends in .gz), floats at full precision."""
    text = frame.to_csv(index=False, lineterminator="\n").encode()
    if str(path).endswith(".gz"):
        import gzip

        text = gzip.compress(text, mtime=0)
    write_bytes(path, text)


def write_rows(path, rows):
    """Write dicts with the same keys as CSV; an empty field is a value that does not exist."""
    content = io.StringIO()
    writer = csv.DictWriter(content, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: "" if value != value else value for key, value in row.items()} for row in rows)
    write_bytes(path, content.getvalue().encode())


def read_table(path, **options):
    """The pandas DataFrame in a CSV file; InputError if the file is empty, cut off in a line, or none."""
    import pandas as pd

    try:
        content = Path(path).read_bytes()
        if str(path).endswith(".gz"):
            import gzip

            content = gzip.decompress(content)
        if not content.endswith(b"\n"):
            raise ValueError("it is cut off" if content else "it is empty")
        return pd.read_csv(io.BytesIO(content), **options)
    except DAMAGE as error:
        raise InputError(f"{path}: not a readable table ({error}); delete it and run again") from error


def read_json(path):
    """The value in a JSON file."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a readable JSON file ({error})") from error


def checksum(path):
    """SHA-256 of a file, hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_arrays(path, arrays, provenance, compress=False):
    """Write named arrays and a provenance record (anything JSON) as one .npz file; equal content gives equal bytes."""
    content = io.BytesIO()
    record = np.frombuffer(json.dumps(provenance, sort_keys=True).encode(), dtype=np.uint8)
    (np.savez_compressed if compress else np.savez)(content, **arrays, **{PROVENANCE: record})
    write_bytes(path, content.getvalue())


DAMAGE = (
    *(OSError, ValueError, EOFError, KeyError, RuntimeError, NotImplementedError),
    *(zipfile.BadZipFile, zlib.error, struct.error),
)
"""What reading a zip file raises when its bytes have changed."""


class Arrays:
    """The arrays of one .npz file, read when asked for; a changed bit is noticed wherever it would change an array.

    Raises
    ------
    InputError
        If the file is missing, truncated, damaged, or lacks what is asked for.
    """

    def __init__(self, path):
        self.path = Path(path)
        try:
            self._file = zipfile.ZipFile(self.path)
            if len(self._file.infolist()) != self._number():
                raise ValueError("its directory has lost an entry")
            for member in self._file.infolist():
                self._file.open(member).close()  # a name that has changed is no longer the one beside the array
        except DAMAGE as error:
            raise InputError(f"{path}: not a readable result ({error}); delete it and run again") from error
        self.names = {name.removesuffix(".npy") for name in self._file.namelist()}

    def _number(self):
        """How many members there are, by the last record of the file: in two bytes before its last ten."""
        with open(self.path, "rb") as file:
            file.seek(-12, os.SEEK_END)
            return int.from_bytes(file.read(2), "little")

    def __getitem__(self, name):
        if name not in self.names:
            raise InputError(f"{self.path}: has no {name!r}; delete it and run again")
        try:
            content = self._file.read(f"{name}.npy")  # all of it, since the checksum is looked at only at the end
            return np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
        except DAMAGE as error:
            raise InputError(f"{self.path}: {name!r} is damaged ({error}); delete the file and run again") from error

    @property
    def provenance(self):
        """The record written with the arrays."""
        return json.loads(self[PROVENANCE].tobytes())


def machine_arrays(seed, machine):
    """A machine as named arrays: seed3/weights0, seed3/mask0, seed3/bias0, seed3/units0, ..."""
    arrays = {}
    for name, layers in (
        ("weights", machine.weights),
        ("mask", machine.masks),
        ("bias", machine.biases),
        ("units", machine.units),
    ):
        arrays |= {f"seed{seed}/{name}{layer}": array for layer, array in enumerate(layers)}
    return arrays


def read_machine(arrays, seed):
    """The machine of one seed from `Arrays`."""
    n_layers = sum(name.startswith(f"seed{seed}/bias") for name in arrays.names)
    if n_layers == 0:
        raise InputError(f"{arrays.path}: has no machine of seed {seed}; delete it and run again")
    weights, masks = (
        tuple(arrays[f"seed{seed}/{name}{i}"] for i in range(n_layers - 1)) for name in ("weights", "mask")
    )
    biases, units = (tuple(arrays[f"seed{seed}/{name}{i}"] for i in range(n_layers)) for name in ("bias", "units"))
    return BoltzmannMachine(weights, biases, masks, units)


def chain_arrays(seed, chains):
    """Persistent chains as named arrays, bit-packed: seed3/chain0, ..."""
    return {f"seed{seed}/chain{layer}": np.packbits(states, axis=1) for layer, states in enumerate(chains)}


def read_chains(arrays, seed, layer_sizes):
    """The chains of one seed: a tuple of (n_chains, n_units) uint8, all layers."""
    return tuple(
        np.unpackbits(arrays[f"seed{seed}/chain{layer}"], axis=1, count=n) for layer, n in enumerate(layer_sizes)
    )


def statistics_arrays(seed, statistics):
    """`Statistics` as named arrays: seed3/n_samples, seed3/rate0, seed3/pair_mean0, ..."""
    arrays = {f"seed{seed}/n_samples": np.array(statistics.n_samples)}
    arrays |= {f"seed{seed}/rate{i}": rate for i, rate in enumerate(statistics.rates)}
    return arrays | {f"seed{seed}/pair_mean{i}": mean for i, mean in enumerate(statistics.pair_means)}


def read_statistics(arrays, seed):
    """The `Statistics` of one seed from `Arrays` that stage `sample` wrote, and its leading eigenvector or None."""
    name = f"seed{seed}/"
    n_layers = sum(key.startswith(f"{name}rate") for key in arrays.names)
    statistics = Statistics(
        int(arrays[f"{name}n_samples"]),
        tuple(arrays[f"{name}rate{i}"] for i in range(n_layers)),
        tuple(arrays[f"{name}pair_mean{i}"] for i in range(n_layers - 1)),
    )
    leading = arrays[f"{name}eigenvectors"][0] if f"{name}eigenvectors" in arrays.names else None
    return statistics, leading
