"""The kind of processor that computes, as far as it decides the bits of a result.

Compiled loops and BLAS take the widest vectors that a processor has, and sum in another order for each width: equal
code, settings and versions give other last bits on another kind.
"""

import os
import platform
from collections.abc import Mapping

VECTORS = ("avx", "avx2", "fma", "avx512f", "avx512vl", "neon", "sve", "sve2")
"""What arithmetic may use; a virtual machine can hide some of it from the processor's name."""
CHOOSING = (
    *("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES", "NUMBA_OPT", "NUMBA_ENABLE_AVX", "NUMBA_LOOP_VECTORIZE"),
    *("NUMBA_SLP_VECTORIZE", "NUMBA_DISABLE_JIT", "OPENBLAS_CORETYPE", "MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS"),
    *("NPY_DISABLE_CPU_FEATURES", "NPY_ENABLE_CPU_FEATURES"),
)
"""Environment variables that make libraries compute as another processor would."""


def processor(environment: Mapping[str, str] = os.environ) -> str:
    """The processor here, in words: its kind, its vectors, and the variables that choose another.

    Parameters
    ----------
    environment
        Name -> value of environment variables.

    Returns
    -------
    str
        For example "x86_64 znver3 avx avx2 fma, NUMBA_CPU_NAME=generic".
    """
    from llvmlite.binding import get_host_cpu_features, get_host_cpu_name

    try:
        found = get_host_cpu_features()
    except RuntimeError:  # LLVM does not know those of every architecture
        found = {}
    kind = " ".join([platform.machine(), get_host_cpu_name(), *(name for name in VECTORS if found.get(name))])
    return ", ".join([kind, *(f"{name}={environment[name]}" for name in CHOOSING if environment.get(name))])
