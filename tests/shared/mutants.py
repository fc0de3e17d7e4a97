"""Damaged versions of valid files: number and files decide what comes out, on every machine."""

import gzip
import io
import random
import re
import warnings
import zipfile

BOUNDARIES = [n for bits in (7, 8, 15, 16, 31, 32, 63, 64) for n in (2**bits - 1, 2**bits)] + [0, 1]
WORDS = (
    "0 -1 -0 1 0.5 1e5 1e9 1e999 -1e999 1e-400 nan inf -inf 2147483648 99999999999999999999 None null true [] {} () '' "
    '"" : , - ~ \\x00 2020-13-45 0b_ 1:99:99 !!int !!float !!timestamp &a *a <<: %s ../up é [[[[[[[[[[[['
).split()
MOST = 2**17
"""Bytes that a mutant may have."""


def mutant(number, valid, kind="bytes"):
    """One damaged file.

    Parameters
    ----------
    number : int
    valid : list of bytes
        Files of one kind; pieces of one get into another.
    kind : 'bytes', 'text', 'gzip' or 'npz'
        What else than single bytes is damaged: numbers and words; what a compressed file unpacks to; arrays.

    Returns
    -------
    bytes
    """
    rng = random.Random(number)
    content = rng.choice(valid)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        content = KINDS[kind](rng, content, valid)[:MOST]
    return content


def _place(rng, content):
    """A position, often near the beginning, where headers are, or near the end."""
    end = len(content)
    return rng.choice((rng.randrange(end + 1), rng.randrange(min(end, 32) + 1), end - rng.randrange(min(end, 32) + 1)))


def _chunk(rng, content):
    """Start and end of a piece."""
    start = _place(rng, content)
    return start, min(len(content), start + rng.choice((1, 2, 4, 8, 16, rng.randrange(len(content) + 1))))


def _truncate(rng, content, valid):
    return content[: _place(rng, content)]


def _extend(rng, content, valid):
    tail = rng.choice((b"\x00", bytes(512), rng.randbytes(rng.randrange(1, 40)), content, rng.choice(valid)))
    return content + tail if rng.random() < 0.8 else tail + content


def _flip(rng, content, valid):
    damaged = bytearray(content)
    for _ in range(rng.randrange(1, 9) if damaged else 0):
        damaged[min(_place(rng, content), len(content) - 1)] ^= 1 << rng.randrange(8)
    return bytes(damaged)


def _overwrite(rng, content, valid):
    size, order = rng.choice((1, 2, 4, 8)), rng.choice(("big", "little"))
    value = (rng.choice(BOUNDARIES) % 256**size).to_bytes(size, order)
    place = _place(rng, content)
    return content[:place] + value + content[place + size :]


def _remove(rng, content, valid):
    start, end = _chunk(rng, content)
    return content[:start] + content[end:]


def _duplicate(rng, content, valid):
    start, end = _chunk(rng, content)
    return content[:end] + content[start:end] * rng.choice((1, 1, 2, 50)) + content[end:]


def _swap(rng, content, valid):
    a, b, c = sorted(_place(rng, content) for _ in range(3))
    return content[:a] + content[b:c] + content[a:b] + content[c:]


def _splice(rng, content, valid):
    other = rng.choice(valid)
    return content[: _place(rng, content)] + other[_place(rng, other) :]


def _bytes(rng, content, valid):
    operations = (_truncate, _extend, _flip, _overwrite, _remove, _duplicate, _swap, _splice)
    return rng.choice(operations)(rng, content, valid)


def _lines(rng, content, valid):
    """Lines removed, doubled, moved, or taken from another file."""
    lines = content.splitlines(keepends=True) or [b""]
    here, there = rng.randrange(len(lines)), rng.randrange(len(lines))
    other = rng.choice(valid).splitlines(keepends=True) or [b""]
    return b"".join(rng.choice(([*lines[:here], *lines[here + 1 :]],
                                [*lines[:here], lines[there], *lines[here:]],
                                [*lines[:here], rng.choice(other), *lines[here:]])))  # fmt: skip


def _words(rng, content, valid):
    """A number or a word replaced by one that may not stand there."""
    found = list(re.finditer(rb"-?\d[\d.e+-]*|\w+", content))
    if not found:
        return _bytes(rng, content, valid)
    match, value = rng.choice(found), rng.choice((rng.choice(WORDS), str(rng.choice(BOUNDARIES)), str(rng.random())))
    return content[: match.start()] + value.encode() + content[match.end() :]


def _text(rng, content, valid):
    return rng.choice((_lines, _words, _words, _bytes))(rng, content, valid)


def _gzip(rng, content, valid):
    """The packed bytes damaged, or those that they unpack to."""
    if rng.random() < 0.4 or content[:2] != b"\x1f\x8b":
        return _bytes(rng, content, valid)
    try:
        inside = gzip.decompress(content)
    except (OSError, EOFError, gzip.zlib.error):
        return _bytes(rng, content, valid)
    others = [gzip.decompress(one) for one in valid if one[:2] == b"\x1f\x8b"]
    return gzip.compress(_bytes(rng, inside, others), 1, mtime=0)


def _npz(rng, content, valid):
    """The archive damaged, or its arrays, with checksums that are right again."""
    if rng.random() < 0.3:
        return _bytes(rng, content, valid)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    except Exception:
        return _bytes(rng, content, valid)
    for _ in range(rng.choice((1, 1, 2))):
        members = _members(rng, members) if members else [("a.npy", b"")]
    return _zipped(members, rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)))


def _members(rng, members):
    """One member damaged, gone, there twice, under another's name, or with another's content."""
    here, there = rng.randrange(len(members)), rng.randrange(len(members))
    (name, content), (other, else_) = members[here], members[there]
    end = content.find(b"\n") + 1
    header = _words(rng, content[:end], [content]) + content[end:]
    changed = rng.choice(([(name, header)], [(name, header)], [(name, _bytes(rng, content, [content, else_]))],
                          [], [(name, content)] * 2, [(other, content)], [(name, else_)]))  # fmt: skip
    return [*members[:here], *changed, *members[here + 1 :]]


def _zipped(members, method):
    """A zip file of (name, content)."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a name that is there twice
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return made.getvalue()


KINDS = {"bytes": _bytes, "text": _text, "gzip": _gzip, "npz": _npz}
