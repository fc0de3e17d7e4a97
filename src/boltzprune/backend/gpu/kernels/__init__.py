"""The CUDA kernels of the GPU backend: one .cu file each, named as its function; `KERNELS` lists them."""

import functools
import re
from pathlib import Path

FOLDER = Path(__file__).parent
OPTIONS = ("-std=c++17",)
"""What the compiler is told, besides the defines."""
INCLUDE = re.compile(r'^#include "([\w.]+)"$', flags=re.MULTILINE)

KERNELS = {
    "field": [{}],
    "draw": [{}],
    "gibbs": [{"N_LAYERS": 3, "BLOCK": 256, "EACH": 3}, {"N_LAYERS": 2, "BLOCK": 128, "EACH": 1}],
    "contrastive_wide": [
        {"BATCH": 1, "N_THREADS": 512},
        {"BATCH": 10, "N_THREADS": 512},
        {"BATCH": 16, "N_THREADS": 512},
    ],
    "joint": [
        {"BATCH": 1, "N_THREADS": 512, "TENSOR": 0},
        {"BATCH": 10, "N_THREADS": 512, "TENSOR": 0},
        {"BATCH": 1, "N_THREADS": 512, "TENSOR": 1},
        {"BATCH": 10, "N_THREADS": 512, "TENSOR": 1},
        {"BATCH": 16, "N_THREADS": 512, "TENSOR": 1},
    ],
    "states": [{}],
    "pack": [{}],
    "pair_counts": [{}],
    "contrastive": [
        {"N_VISIBLE": 13, "BLOCK": 96, "N_AHEAD": 32},
        {"N_VISIBLE": 29, "BLOCK": 128, "N_AHEAD": 32},
        {"N_VISIBLE": 13, "BLOCK": 512, "N_AHEAD": 16},
        {"N_VISIBLE": 32, "BLOCK": 256, "N_AHEAD": 32},
        {"N_VISIBLE": 61, "BLOCK": 128, "N_AHEAD": 32},
    ],
}
"""Name -> what it is compiled with, as examples: every one is compiled for every architecture in the tests."""


def options(defines):
    """What a launch tells the compiler: `OPTIONS` and the defines."""
    return (*OPTIONS, *(f"-D{name}={value}" for name, value in defines.items()))


def runs_on(defines, architecture):
    """Whether a kernel with these defines exists for an architecture: see joint.cu."""
    return architecture >= (80 if defines.get("TENSOR") else 0)


@functools.cache
def source(name):
    """The text of a kernel with what it includes, so that a digest of it changes when either does."""
    text = (FOLDER / f"{name}.cu").read_text(encoding="utf-8")
    return INCLUDE.sub(lambda found: (FOLDER / found[1]).read_text(encoding="utf-8"), text)
