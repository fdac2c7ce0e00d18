"""A run for programs: its events as JSON lines, or only how it ended."""

import json
import sys
from typing import TextIO

from api.terminal.display.result_lines import result_line
from api.terminal.display.run_display import Event, RunDisplay
from api.terminal.text.safe_text import clean
from api.terminal.text.untrusted_fields import Fields


class _ScriptDisplay(RunDisplay):
    """What the drawings for programs have in common: our own words go to standard error."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def note(self, text: str) -> None:
        sys.stderr.write(clean(text) + "\n")
        sys.stderr.flush()


class JsonDisplay(_ScriptDisplay):
    """Each event as the server sends it, one a line; on a terminal with escapes alone."""

    def show(self, event: Event) -> None:
        escaped = self._out.isatty() or (self._out.encoding or "").lower() != "utf-8"
        line = json.dumps(event, ensure_ascii=escaped, separators=(",", ":"))
        try:
            self._out.write(line + "\n")
        except UnicodeEncodeError:  # a lone surrogate, which only an escape can say
            self._out.write(json.dumps(event, separators=(",", ":")) + "\n")
        self._out.flush()


class ResultDisplay(_ScriptDisplay):
    """One line at the end of each attempt of the run."""

    def __init__(self, out: TextIO) -> None:
        super().__init__(out)
        self._last: Event | None = None

    def __exit__(self, *_: object) -> None:
        if self._last:
            self._out.write(result_line(Fields(self._last)) + "\n")
            self._out.flush()

    def show(self, event: Event) -> None:
        if event.get("type") in {"run.finished", "run.resumed"}:
            self._last = event if event["type"] == "run.finished" else None
