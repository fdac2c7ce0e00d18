"""`python -m benchmarks.pictures.terminal`: the demo in a terminal, an animated SVG in docs/images.

The command runs on a real pseudo terminal. What its screen shows is read by a terminal emulator
and drawn frame by frame, at the pace at which it happened, or faster so that it takes 20 s at most.
"""

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import pyte

PICTURE: Final = Path(__file__).parents[2] / "docs" / "images" / "demo.svg"
COLUMNS: Final = 100
ROWS: Final = 34
COMMAND: Final = (sys.executable, "-m", "coding_agent", "demo")
_FRAME_S: Final = 0.25
_LAST_S: Final = 5.0
_MOST_S: Final = 120.0
_SHOWN_S: Final = 20.0
_PROMPT: Final = b"\x1b[92m$\x1b[0m make demo\r\n"
_WIDTH: Final = 8.4
_HEIGHT: Final = 18
_EDGE: Final = 14
_COLOURS: Final = {
    "default": "#d6deeb",
    "red": "#ff7a85",
    "green": "#7fd88f",
    "brown": "#e7c664",
    "yellow": "#e7c664",
    "blue": "#7ab7ff",
    "magenta": "#d4a5ff",
    "cyan": "#6fd3d8",
    "white": "#ffffff",
    "brightgreen": "#7fd88f",
    "brightblack": "#8794a8",
}
_HEAD: Final = """\
<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" \
viewBox="0 0 {width} {height}" role="img" aria-label="A terminal in which make demo runs">
<style>text{{font:14px ui-monospace,"DejaVu Sans Mono",Menlo,Consolas,monospace;white-space:pre}}\
.f{{visibility:hidden;animation:{whole:.2f}s step-end infinite}}
@media (prefers-reduced-motion){{.f{{animation:none!important}}.l{{visibility:visible}}}}
{frames}</style>
<rect width="{width}" height="{height}" rx="10" fill="#131a24"/>
"""


@dataclass(frozen=True)
class Frame:
    """Rows of the screen as SVG, and since when (seconds) they are shown."""

    since: float
    rows: tuple[str, ...]


def record() -> Iterator[Frame]:
    """Each screen that differs from the one before."""
    screen = pyte.Screen(COLUMNS, ROWS)
    stream = pyte.ByteStream(screen)
    stream.feed(_PROMPT)
    begun, last = time.monotonic(), Frame(0.0, ())
    for output in _play():
        stream.feed(output)
        frame = Frame(time.monotonic() - begun, tuple(map(_row, _lines(screen))))
        if frame.rows != last.rows:
            last = frame
            yield frame


def _play() -> Iterator[bytes]:
    """What the command writes, in pieces of a frame's time."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    environment = {"PATH": os.environ["PATH"], "TERM": "xterm-256color", "LANG": "C.UTF-8"}
    command = subprocess.Popen(
        COMMAND, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, cwd="/"
    )
    os.close(theirs)
    until = time.monotonic() + _MOST_S
    try:
        while time.monotonic() < until:
            time.sleep(_FRAME_S)
            output = b""
            while select.select([ours], [], [], 0)[0]:
                try:
                    output += os.read(ours, 65_536)
                except OSError:  # the terminal is closed with its last process
                    yield output
                    return
            yield output
    finally:
        command.kill()
        command.wait()
        os.close(ours)


def _lines(screen: pyte.Screen) -> Iterator[list[Any]]:
    for number in range(ROWS):
        yield [screen.buffer[number][column] for column in range(COLUMNS)]


def _row(cells: list[Any]) -> str:
    """A row as text elements, one for each stretch of one look; blanks have none."""
    parts, column = [], 0
    for (colour, bold), stretch in groupby(cells, lambda cell: (cell.fg, cell.bold)):
        text = "".join(cell.data for cell in stretch)
        if shown := text.strip():
            x = _EDGE + (column + len(text) - len(text.lstrip())) * _WIDTH
            fill = _COLOURS.get(colour, f"#{colour}" if len(colour) == 6 else _COLOURS["default"])
            weight = ' font-weight="bold"' if bold else ""
            length = f'textLength="{len(shown) * _WIDTH:.1f}" lengthAdjust="spacing"'
            parts.append(f'<text x="{x:.1f}" fill="{fill}"{weight} {length}>{escape(shown)}</text>')
        column += len(text)
    return "".join(parts)


def draw(frames: list[Frame]) -> str:
    """The frames one after another, for ever; each different row is in the file once."""
    pace = min(1.0, _SHOWN_S / frames[-1].since)
    frames = [replace(frame, since=pace * frame.since) for frame in frames]
    whole = frames[-1].since + _LAST_S
    rows = {row: f"r{number}" for number, row in enumerate(dict.fromkeys(_all(frames)))}
    ends = [frame.since for frame in frames[1:]] + [whole]
    styles, groups = [], []
    for number, (frame, end) in enumerate(zip(frames, ends, strict=True)):
        shown = f"{100 * frame.since / whole:.2f}%{{visibility:visible}}"
        hidden = f"{min(100, 100 * end / whole):.2f}%{{visibility:hidden}}"
        styles.append(f"@keyframes k{number}{{0%{{visibility:hidden}}{shown}{hidden}}}")
        uses = [
            f'<use xlink:href="#{rows[row]}" y="{_EDGE + place * _HEIGHT}"/>'
            for place, row in enumerate(frame.rows)
            if row
        ]
        last = " l" if number == len(frames) - 1 else ""
        style = f"animation-name:k{number}"
        groups.append(f'<g class="f{last}" style="{style}">{"".join(uses)}</g>')
    head = _HEAD.format(
        width=round(2 * _EDGE + COLUMNS * _WIDTH),
        height=2 * _EDGE + ROWS * _HEIGHT,
        whole=whole,
        frames="".join(styles),
    )
    kept = "".join(f'<g id="{name}">{row}</g>' for row, name in rows.items())
    place = f'<g transform="translate(0 {_HEIGHT - 4})">'
    return f"{head}<defs>{kept}</defs>{place}{''.join(groups)}</g></svg>\n"


def _all(frames: list[Frame]) -> Iterator[str]:
    return (row for frame in frames for row in frame.rows if row)


def main() -> None:
    """Record the demo and write the picture."""
    frames = list(record())
    PICTURE.write_text(draw(frames), encoding="utf-8")
    print(f"{PICTURE}: {len(frames)} frames, {PICTURE.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    main()
