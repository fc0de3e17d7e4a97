"""Pickles that attack their reader: name -> function that makes the bytes.

An attack that succeeds makes the canary, a file, or takes memory or time.
"""

import os
import pickle
import struct
import subprocess

import numpy as np

HUGE = struct.pack("<Q", 2**60)
NDARRAY, RECONSTRUCT = b"cnumpy\nndarray\n", b"cnumpy.core.multiarray\n_reconstruct\n"
DTYPE = b"cnumpy\ndtype\n"


class Call:
    """Pickles as the call of a function."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def short(text):
    """SHORT_BINUNICODE."""
    return b"\x8c" + bytes([len(text)]) + text.encode()


def in_batch(*program):
    """A batch of CIFAR-10 whose labels come from a program of opcodes."""
    return b"\x80\x04}(" + short("data") + b"N" + short("labels") + b"".join(program) + b"u."


def called(module, name, argument):
    """The opcodes that call a function by name."""
    return short(module) + short(name) + b"\x93" + argument + b"\x85R"


def pickles(canary):
    """Pickles, in the place of a batch."""
    touch, text = f"touch {canary}", f"open({str(canary)!r}, 'w')"
    system, command = short("os") + short("system") + b"\x93", short(touch)
    objects = np.array([Call(os.system, touch)], dtype=object)
    doubled = b"]\x94(" + b"".join(b"h%ch%ce]\x94(" % (k, k) for k in range(60)) + b"e"
    deep = b")" + b"\x85" * 70_000
    return {
        "subprocess.Popen": lambda: in_batch(called("subprocess", "Popen", b"](" + short("touch") + command + b"e")),
        "subprocess.check_output": lambda: pickle.dumps(Call(subprocess.check_output, ["touch", str(canary)]), 4),
        "os.system by STACK_GLOBAL": lambda: in_batch(system + command + b"\x85R"),
        "os.system by a memoised name": lambda: in_batch(
            short("os") + b"\x94" + short("system") + b"\x94h\x00h\x01\x93" + command + b"\x85R"
        ),
        "os.system by a dotted name": lambda: in_batch(called("numpy", "os.system", command)),
        "builtins.__import__": lambda: in_batch(called("builtins", "__import__", short("os"))),
        "builtins.open": lambda: pickle.dumps({"data": Call(open, str(canary), "w")}, 2),
        "builtins.exec in protocol 1": lambda: pickle.dumps(Call(exec, text), 1),
        "a module that runs when it is imported": lambda: in_batch(b"cthis\ns\n"),
        "runpy": lambda: in_batch(called("runpy", "run_path", short(str(canary)))),
        "pickle.loads of a pickle": lambda: in_batch(called("pickle", "loads", b"C\x01.")),
        "an array of objects": lambda: pickle.dumps({"data": objects}, 2),
        "an array of objects, state set": lambda: in_batch(
            *(
                RECONSTRUCT,
                NDARRAY,
                b"K\x00\x85C\x01b\x87R(K\x01K\x01\x85",
                DTYPE,
                short("O8"),
                b"K\x00K\x01\x87R(K\x03",
            ),
            *(short("|"), b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK?tb\x89]", system, command, b"\x85Ratb"),
        ),
        "numpy.core.multiarray.fromfile": lambda: in_batch(
            called("numpy.core.multiarray", "fromfile", short("/dev/zero"))
        ),
        "BUILD sets __class__": lambda: in_batch(b"}" + short("__class__") + system + b"sb"),
        "BUILD sets __dict__ of a name": lambda: in_batch(NDARRAY + b"}" + short("__dict__") + b"}sb"),
        "BUILD calls __setstate__": lambda: in_batch(system + b"}b"),
        "INST of a class": lambda: in_batch(b"(" + command + b"isubprocess\nPopen\n"),
        "OBJ of a class": lambda: in_batch(b"(csubprocess\nPopen\n" + command + b"o"),
        "lists doubled to 2**60": lambda: in_batch(doubled),
        "tuples 70,000 deep": lambda: in_batch(deep),
        "marks without end": lambda: b"\x80\x02" + b"(" * 100_000,
        "LONG4 of 2 GiB": lambda: in_batch(b"\x8b\xff\xff\xff\x7f" + bytes(9)),
        "LONG4 of a size below 0": lambda: in_batch(b"\x8b\x00\x00\x00\x80" + bytes(9)),
        "a decimal number of a million digits": lambda: in_batch(b"I" + b"9" * 10**6 + b"\n"),
        "FRAME of 2**60": lambda: b"\x80\x04\x95" + HUGE + b"}.",
        "BINBYTES8 of 2**60": lambda: in_batch(b"\x8e" + HUGE),
        "BINUNICODE8 of 2**60": lambda: in_batch(b"\x8d" + HUGE),
        "BINSTRING of a size below 0": lambda: in_batch(b"T\x00\x00\x00\x80"),
        "a protocol that does not exist": lambda: b"\x80\xff}.",
        "READONLY_BUFFER": lambda: in_batch(b"\x98"),
        "DUP of what is not there": lambda: b"\x80\x022.",
    }
