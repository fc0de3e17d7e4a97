"""The errors that a user can cause, and that a user can mend."""


class InputError(ValueError):
    """A configuration, a file or a user's function is not what it has to be.

    The message names the file, the key or the function, the value found, what was expected, and the remedy. The
    command line prints it alone, without a traceback, and exits with status 2.
    """


class TrainingError(ArithmeticError):
    """Training produced parameters that are not finite numbers; the message says where, when and what to try."""


class DeviceError(RuntimeError):
    """The GPU or its driver failed while it computed: nothing that the configuration could mend."""


def told(error: BaseException) -> str:
    """Class and text of what a user's code raised, shortened; the text may itself raise."""
    try:
        return f"{type(error).__name__}: {error}"[:1000]
    except Exception:
        return f"{type(error).__name__}, whose text cannot be shown"
