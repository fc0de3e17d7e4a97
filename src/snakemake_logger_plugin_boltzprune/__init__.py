"""Makes the display of `boltzprune run` known to Snakemake, which finds it by the name of this package.

    snakemake --logger boltzprune ...

What it shows, and how, is in `boltzprune.study.reruns.display`; the full log of Snakemake lies in .snakemake/log.
Snakemake imports this package at every start, to know its name. It imports nothing of `boltzprune` before it is used:
the workflow brings the package that lies beside it, which may be another one.
"""

import logging

from snakemake_interface_logger_plugins.base import LogHandlerBase


class LogHandler(LogHandlerBase):
    """Hands what Snakemake tells on to a `Display`."""

    writes_to_stream, writes_to_file, needs_rulegraph = True, False, False
    has_filter = has_formatter = True

    def __post_init__(self) -> None:
        from boltzprune.study.reruns.display import Display

        self._display = Display(dry=self.common_settings.dryrun)

    def emit(self, record: logging.LogRecord) -> None:
        """Note one message."""
        try:
            self._display.note(str(getattr(record, "event", "") or ""), record)
        except Exception:
            self.handleError(record)

    def close(self) -> None:
        """Say the last words."""
        self._display.close()
        super().close()
