"""Files of a user, opened so that nothing in a path can keep a reader waiting or fill the memory."""

import errno
import os
import stat

from boltzprune.errors import InputError


def check_regular(path: str | os.PathLike[str], limit: int | None = None) -> None:
    """OSError for a file that is too large or not regular: a pipe keeps a reader waiting, a device has no end."""
    found = os.stat(path)
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    if limit is not None and found.st_size > limit:
        raise OSError(errno.EFBIG, f"larger than {limit} bytes", str(path))


def read_bounded(path: str | os.PathLike[str], limit: int, expected: str) -> bytes:
    """All bytes of a file of 1 to `limit` bytes.

    Parameters
    ----------
    path
    limit
        Largest accepted size in bytes.
    expected
        What the file should be, for the message.

    Returns
    -------
    bytes

    Raises
    ------
    InputError
        If the file cannot be opened, is no regular file, is empty or is larger.
    """
    try:
        check_regular(path)
        with open(path, "rb") as file:
            content = file.read(min(limit, os.fstat(file.fileno()).st_size) + 1)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error}); expected {expected}") from None
    if not content:
        raise InputError(f"{path} is empty; expected {expected}")
    if len(content) > limit:
        raise InputError(f"{path} is larger than {limit} bytes; expected {expected}")
    return content
