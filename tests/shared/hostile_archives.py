"""Archives that attack their reader: name -> function that makes the bytes.

An attack that succeeds makes the canary, a file, or takes memory or time.
"""

import bz2
import gzip
import io
import lzma
import os
import pickle
import struct
import tarfile
import warnings
import zipfile

import numpy as np
from hostile_pickles import Call

BATCH = "cifar-10-batches-py/data_batch_1"


def zeros():
    """1 GiB of zeros in 1 MiB of gzip."""
    return gzip.compress(bytes(2**24)) * 64


def tars(canary):
    """Archives of CIFAR-10."""
    batch = pickle.dumps({"data": np.zeros((2, 3072), np.uint8), "labels": [3, 7]}, 2)

    def made(*members):
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            for member, content in members:
                info = tarfile.TarInfo(member) if isinstance(member, str) else member
                info.size = len(content or b"")
                archive.addfile(info, None if content is None else io.BytesIO(content))
        return packed.getvalue()

    def link(name, kind, target):
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, target
        return info, None

    def header(name, size, kind=tarfile.REGTYPE, content=b""):
        info = tarfile.TarInfo(name)
        info.size, info.type = size, kind
        return gzip.compress(info.tobuf(tarfile.GNU_FORMAT) + content)

    long_name = tarfile.TarInfo("./" + "../" * 40 + "canary").tobuf(tarfile.PAX_FORMAT)
    sparse = tarfile.TarInfo(BATCH).tobuf(tarfile.USTAR_FORMAT)
    return {
        "../ in a name": lambda: made((f"../{canary.name}", b"x"), (f"cifar-10-batches-py/../../{canary.name}", b"x")),
        "an absolute name": lambda: made((str(canary), b"x")),
        "a batch below ..": lambda: made((f"../{BATCH}", batch)),
        "a symbolic link to the outside": lambda: made(link(BATCH, tarfile.SYMTYPE, "/etc/passwd"), ("a", b"x")),
        "a folder that is a link, then a file in it": lambda: made(
            link("cifar-10-batches-py", tarfile.SYMTYPE, str(canary.parent)),
            (f"cifar-10-batches-py/{canary.name}", b"x"),
        ),
        "a hard link to the outside": lambda: made(link(BATCH, tarfile.LNKTYPE, "../../../etc/passwd")),
        "a hard link to itself": lambda: made(link(BATCH, tarfile.LNKTYPE, BATCH)),
        "a character device": lambda: made(link(BATCH, tarfile.CHRTYPE, "")),
        "a block device": lambda: made(link(BATCH, tarfile.BLKTYPE, "")),
        "a pipe": lambda: made(link(BATCH, tarfile.FIFOTYPE, "")),
        "a folder in the place of a batch": lambda: made(link(BATCH, tarfile.DIRTYPE, "")),
        "a batch twice": lambda: made((BATCH, batch), (BATCH, batch)),
        "a batch twice, once with ./": lambda: made((BATCH, batch), (f"./{BATCH}", batch)),
        "a sparse file": lambda: header(BATCH, 2**40, tarfile.GNUTYPE_SPARSE),
        "a sparse file of another name": lambda: header("a", 2**40, tarfile.GNUTYPE_SPARSE),
        "a batch of 8 GiB": lambda: header(BATCH, 2**33),
        "another member of 8 GiB": lambda: header("a", 2**33),
        "a size below 0": lambda: gzip.compress(sparse[:124] + b"\xff" * 12 + sparse[136:]),
        "a name that states 8 GiB": lambda: header("././@LongLink", 2**33, tarfile.GNUTYPE_LONGNAME),
        "a pax header of 1 GiB of zeros": lambda: header("pax", 2**30, tarfile.XHDTYPE) + zeros(),
        "a batch of 1 GiB of zeros": lambda: header(BATCH, 2**30) + zeros(),
        "1 GiB of zeros after the end": lambda: made((BATCH, batch)) + zeros(),
        "a name by pax that leads outside": lambda: gzip.compress(long_name + bytes(1024)),
        "an archive in an archive": lambda: gzip.compress(made((BATCH, batch))),
        "an archive without its last blocks": lambda: gzip.compress(
            gzip.decompress(made((BATCH, batch)))[: 512 * (1 + -(-len(batch) // 512))]
        ),
        "a pickle that attacks, in an archive": lambda: made(
            (BATCH, pickle.dumps(Call(os.system, f"touch {canary}"), 2))
        ),
    }


def npy(header, content=b"", version=1):
    """A member with the text of its header as given."""
    text = header.encode("latin1")
    size = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + size + text + content


def zipped(*members, method=zipfile.ZIP_DEFLATED):
    """A zip file of (name, content)."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, content in members:
            info = zipfile.ZipInfo(name)
            archive.writestr(info, content, method, compresslevel=9)
    return made.getvalue()


def described(shape, descr="'|u1'", content=bytes(6)):
    """A member `patterns` with a header of that shape and type, as text."""
    return zipped(("patterns.npy", npy(f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n", content)))


def overlapping():
    """An archive whose two entries are one and the same member."""
    content = bytearray(zipped(("patterns.npy", bytes(99)), ("patternz.npy", bytes(99))))
    first, second = (place for place in range(len(content)) if content[place : place + 4] == b"PK\x01\x02")
    content[second + 42 : second + 46] = content[first + 42 : first + 46]
    content[second + 46 : second + 58] = content[first + 46 : first + 58]
    return bytes(content)


def by_lzma():
    """A member whose stated dictionary takes 4 GiB."""
    content = bytearray(zipped(("patterns.npy", bytes(999)), method=zipfile.ZIP_LZMA))
    place = content.index(b"patterns.npy") + len(b"patterns.npy") + 5
    content[place : place + 4] = b"\xff\xff\xff\xff"
    return bytes(content)


def npzs(canary):
    """Files of a user's patterns."""

    def bomb(bits):
        header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({2**bits}, {2**bits}), }}\n"
        return npy(header, bytes(4**bits))

    def encrypted():
        content = bytearray(zipped(("patterns.npy", patterns)))
        content[6] |= 1
        content[content.index(b"PK\x01\x02") + 8] |= 1
        return bytes(content)

    def objects():
        made = io.BytesIO()
        np.savez(made, patterns=np.array([[Call(os.system, f"touch {canary}")]], dtype=object))
        return made.getvalue()

    run = f"__import__('os').system('touch {canary}')"
    patterns = npy("{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }\n", bytes([0, 1, 1, 0, 0, 1]))
    return {
        "objects": objects,
        "a header that calls a function": lambda: zipped(("patterns.npy", npy(run + "\n", bytes(6)))),
        "a shape that calls a function": lambda: described(f"({run}, 3)"),
        "a type that calls a function": lambda: described("(2, 3)", run),
        "a type of objects": lambda: described("(1, 1)", "'|O'", pickle.dumps(Call(os.system, f"touch {canary}"))),
        "a type of objects in a field": lambda: described("(1,)", "[('a', '|O')]", bytes(8)),
        "a type within types": lambda: described("(1,)", "[('a', " * 90 + "'u1'" + ")]" * 90),
        "a header of 9,000 brackets": lambda: zipped(("patterns.npy", npy("[" * 9000 + "\n"))),
        "a shape of 2**62": lambda: described(f"({2**31}, {2**31})"),
        "a shape of 2**64, which is 0 in 64 bits": lambda: described(f"({2**32}, {2**32})", content=b""),
        "a shape below 0": lambda: described("(-2, -3)"),
        "a shape of True": lambda: described("(True, True)", content=b"\x01"),
        "a shape that is text": lambda: described("'23'"),
        "a shape of 100 dimensions": lambda: described("(1,) * 100"),
        "a header of 4 GiB": lambda: zipped(("patterns.npy", b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + bytes(2**26))),
        "a version that does not exist": lambda: zipped(("patterns.npy", b"\x93NUMPY\x09\x00" + bytes(99))),
        "64 MiB of zeros": lambda: zipped(("patterns.npy", bomb(13))),
        "the same packed by bzip2": lambda: zipped(("patterns.npy", bomb(12)), method=zipfile.ZIP_BZIP2),
        "a dictionary of 4 GiB": lambda: by_lzma(),
        "one member under two names": lambda: overlapping(),
        "patterns twice": lambda: zipped(("patterns.npy", patterns), ("patterns.npy", patterns)),
        "patterns above the folder": lambda: zipped((f"../{canary.name}", b"x"), ("../patterns.npy", patterns)),
        "an encrypted member": encrypted,
        "an archive in an archive": lambda: zipped(("patterns.npy", zipped(("patterns.npy", patterns)))),
        "a gzip file": lambda: gzip.compress(patterns),
        "an array alone": lambda: patterns,
        "an array packed by itself": lambda: lzma.compress(patterns) + bz2.compress(patterns),
    }
