"""Downloads one file from the first mirror that sends the right one."""

from pathlib import Path

from boltzprune.errors import InputError

TIMEOUT_SECONDS = 30


def fetch(urls, sha256, path, remedy):
    """One file, from the first of several places that sends it with the right checksum.

    A file that is there already with the right checksum is not downloaded again. A download becomes `path` only after
    its checksum has been found right, so a partial one never looks complete.

    Parameters
    ----------
    urls : sequence of str
        Tried in turn.
    sha256 : str
        Checksum of the file, hexadecimal.
    path : pathlib.Path
        Where it goes; folders above it are made.
    remedy : str
        What the user can do when no place sends it, for the message.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    InputError
        If the folder cannot be made or no place sends the file.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"the folder {path.parent} cannot be made ({error.strerror}); {remedy}") from None
    failures = []
    for url in urls:
        try:
            return _retrieve(url, sha256, path)
        except (OSError, ValueError) as error:  # the errors of requests are OSErrors; ValueError: the checksum is wrong
            failures.append(f"{url}: {_reason(error)}")
    raise InputError(f"{path.name} could not be downloaded ({'; '.join(failures)}); {remedy}")


def _retrieve(url, sha256, path):
    """The file from one place; pooch keeps what is right already and replaces what is not."""
    import pooch

    downloader = pooch.HTTPDownloader(
        timeout=TIMEOUT_SECONDS, chunk_size=2**20, headers={"Accept-Encoding": "identity"}
    )
    return Path(pooch.retrieve(url, f"sha256:{sha256}", fname=path.name, path=path.parent, downloader=downloader))


def _reason(error):
    """One short line about a download that failed."""
    if isinstance(error, ValueError) and "hash" in str(error):
        return "what it sent has another checksum"
    while error.__context__ is not None:  # requests wraps what the network said in several layers
        error = error.__context__
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:160]}"
