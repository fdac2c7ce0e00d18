"""The log of a process, on standard error: JSON lines for collectors, text for people.

Every line passes `hide`, which takes the secrets out, tracebacks too.
"""

import json
import logging
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Literal

from api.terminal.text import clean
from graph import redactor
from runs.model import CURRENT_RUN
from wiring.settings import Settings

Format = Literal["auto", "json", "text"]
Hide = Callable[[str], str]

_OURS: Final = ("api", "forge", "graph", "roles", "runs", "sandbox", "wiring", "uvicorn")
_TEXT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_MAX: Final = 16_000
"""Characters of one message, and of one traceback, whose end tells most."""

log = logging.getLogger(__name__)


def log_to_stderr(*, hide: Hide, format: Format = "auto", level: str = "info") -> None:  # noqa: A002
    """What we and the server say from `level` on; of other libraries only what is wrong."""
    as_json = format == "json" or (format == "auto" and not sys.stderr.isatty())
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(hide) if as_json else TextLines(hide))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in _OURS:
        logging.getLogger(name).setLevel(level.upper())
    logging.captureWarnings(True)  # noqa: FBT003
    sys.excepthook = _log_crash
    threading.excepthook = _log_thread_crash


def start_log(settings: Settings, level: str | None = None) -> None:
    """Log to standard error from now on, without any secret of the settings."""
    log_to_stderr(
        hide=redactor(settings.secrets),
        format=settings.log_format,
        level=level or settings.log_level,
    )


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def __init__(self, hide: Hide) -> None:
        super().__init__()
        self._hide = hide

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self._hide(record.getMessage())[:_MAX],
        }
        if run_id := _run_of(record):
            line["runId"] = run_id
        if record.exc_info:
            line["exception"] = self._hide(self.formatException(record.exc_info))[-_MAX:]
        return json.dumps(line)


class TextLines(logging.Formatter):
    """A line as people read it, with nothing in it that a terminal would act on.

    What goes on in further lines stands in, so that no text of others looks like a line of ours.
    """

    def __init__(self, hide: Hide) -> None:
        super().__init__(_TEXT)
        self._hide = hide

    def format(self, record: logging.LogRecord) -> str:
        text = clean(self._hide(super().format(record))).replace("\n", "\n    ")
        run_id = _run_of(record)
        return f"{text} [run {run_id}]" if run_id and run_id not in text else text


def _run_of(record: logging.LogRecord) -> str | None:
    """The run that a line is about: the one it names, or the one that is driven here."""
    named: str | None = getattr(record, "run_id", None)
    return named or CURRENT_RUN.get()


def _log_crash(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    log.critical("the process ends by an unexpected error", exc_info=(kind, error, trace))


def _log_thread_crash(crash: threading.ExceptHookArgs) -> None:
    if crash.exc_value is not None:
        log.critical("a thread ended by an unexpected error", exc_info=crash.exc_value)
