"""The one module that imports CuPy: the card, its arrays, its memory, and launches of our kernels.

Kernels are compiled when first launched, for the card that is there; CuPy keeps them in its cache on disk.
"""

import functools
import logging
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from boltzprune.backend.arrays import Array
from boltzprune.backend.gpu import driver, kernels
from boltzprune.backend.gpu.lock import claim
from boltzprune.backend.preparation import PREPARATION
from boltzprune.errors import InputError

log = logging.getLogger(__name__)


class Card:
    """One NVIDIA GPU, this process's own where the machine has several and they are free.

    Attributes
    ----------
    xp : module
        CuPy.
    name : str
    n_multiprocessors : int
    compute_capability : int
        Ten times: 90 for 9.0.
    max_shared : int
        Bytes of shared memory that a block can have.
    versions : dict
        Card, CuPy and CUDA, for the provenance of results.
    OutOfMemory : type
        The exception of an allocation that does not fit.

    Raises
    ------
    InputError
        If no GPU can be used; the message says why and what to do.
    """

    def __init__(self) -> None:
        problem = driver.problem()
        if problem:
            raise InputError(f"device gpu: {problem}; or set device: cpu")
        if os.environ.get("CUPY_TF32", "0") != "0":
            raise InputError("device gpu: CUPY_TF32 is set, which rounds products to 10 bits; unset it")
        try:
            import cupy
        except ImportError as error:
            raise InputError(
                f"device gpu: CuPy cannot be loaded ({error}); install it anew, or set device: cpu"
            ) from error
        self.xp, self.OutOfMemory = cupy, cupy.cuda.memory.OutOfMemoryError
        place = claim([cupy.cuda.Device(i).pci_bus_id for i in range(cupy.cuda.runtime.getDeviceCount())])
        self._device = cupy.cuda.Device(place)
        self._device.use()
        int(
            cupy.ones(1)[0]
        )  # compiles a kernel and runs it: what is missing for that is told before anything is computed
        about = cupy.cuda.runtime.getDeviceProperties(place)
        self.name, self.n_multiprocessors = about["name"].decode(), about["multiProcessorCount"]
        self.compute_capability = 10 * about["major"] + about["minor"]
        self.max_shared = about["sharedMemPerBlockOptin"]
        cuda = cupy.cuda.runtime.runtimeGetVersion()
        self.versions = {"cupy": cupy.__version__, "cuda": f"{cuda // 1000}.{cuda % 1000 // 10}", "gpu": self.name}
        log.info(
            "GPU %d: %s, compute capability %s, %d multiprocessors, %.1f of %.1f GiB free; CUDA %s, CuPy %s",
            *(place, self.name, self._device.compute_capability, self.n_multiprocessors),
            *(self.free_memory() / 2**30, about["totalGlobalMem"] / 2**30, self.versions["cuda"], cupy.__version__),
        )

    def asarray(self, array: Array, dtype: npt.DTypeLike | None = None) -> Array:
        """An array on the card, rows one after the other; one that lies there already is not copied."""
        return self.xp.asarray(array, dtype=dtype, order="C")

    def to_host(self, array: Array) -> np.ndarray:
        """A NumPy array; host arrays as they are."""
        return self.xp.asnumpy(array) if isinstance(array, self.xp.ndarray) else array

    def free_memory(self) -> int:
        """Bytes that an allocation could get: free on the card, or kept by CuPy's pool and unused."""
        return self._device.mem_info[0] + self.xp.get_default_memory_pool().free_bytes()

    def release(self) -> None:
        """Give what CuPy's pool keeps unused back to the card."""
        self.xp.get_default_memory_pool().free_all_blocks()

    def synchronise(self) -> None:
        """Wait until all that was asked of the card is done."""
        self.xp.cuda.get_current_stream().synchronize()

    @staticmethod
    def forget_kernels() -> None:
        """Compile kernels anew at their next launch: their source has changed."""
        _function.cache_clear()

    def launch(
        self,
        kernel: str,
        defines: Mapping[str, int],
        grid: tuple[int, ...],
        block: int,
        arguments: Sequence[Any],
        shared: int = 0,
        together: bool = False,
    ) -> None:
        """Run a kernel.

        Parameters
        ----------
        kernel : str
            See `kernels.KERNELS`.
        defines : dict
        grid : tuple of int
        block : int
            Threads of a block.
        arguments : list
            Arrays on the card, and NumPy scalars of the exact types that the kernel takes.
        shared : int
            Bytes of dynamic shared memory.
        together : bool
            Whether all blocks have to run at the same time (a cooperative launch).

        Raises
        ------
        InputError
            If they have to and the card has no room for them.
        """
        function = _function(kernel, tuple(defines.items()), together)
        if shared:
            function.max_dynamic_shared_size_bytes = shared
        if together:
            self._check_room(kernel, function, math.prod(grid), block, shared)
        function(grid, (block,), tuple(arguments), shared_mem=shared)

    def _check_room(self, kernel: str, function: Any, n_blocks: int, block: int, shared: int) -> None:
        """InputError if so many blocks cannot run at the same time.

        CuPy would launch fewer and warn, and those would wait for the others for ever.

        Parameters
        ----------
        kernel : str
        function : cupy.RawKernel
        n_blocks, block, shared : int
            Blocks of the grid, threads of a block, bytes of dynamic shared memory.
        """
        occupancy = self.xp.cuda.driver.occupancyMaxActiveBlocksPerMultiprocessor
        room = occupancy(function.kernel.ptr, block, shared) * self.n_multiprocessors
        if n_blocks > room:
            raise InputError(
                f"device gpu: kernel {kernel} needs {n_blocks} blocks of {block} threads at the same time, and the "
                f"card has room for {room}; give the job a whole card, or set device: cpu"
            )


@functools.cache
def _function(kernel: str, defines: tuple[tuple[str, int], ...], together: bool) -> Any:
    """A kernel, compiled, from the file kernels/{kernel}.cu.

    The defines are names and values of its macros, such as (("BLOCK", 128),). Together: whether its blocks meet at
    barriers, so that all must run at the same time (a cooperative launch).
    """
    import cupy

    options = kernels.options(dict(defines))
    with PREPARATION:
        module = cupy.RawModule(code=kernels.source(kernel), options=options, enable_cooperative_groups=together)
        return module.get_function(kernel)
