"""A run drawn live: what happened scrolls by, and a foot of four lines says where it is."""

from typing import ClassVar, Final, Self

from rich.cells import cell_len, set_cell_size
from rich.console import Console, Group, OverflowMethod
from rich.live import Live
from rich.style import Style
from rich.text import Text

from api.terminal.display.event_lines import EventLines
from api.terminal.display.run_display import Event, RunDisplay
from api.terminal.display.run_state import DisplayState
from api.terminal.text.human_units import count, duration, money
from api.terminal.text.line_wrapper import wrap
from api.terminal.text.safe_text import clean
from api.terminal.text.styled_line import Line, Tone
from api.terminal.text.symbols import Glyphs, glyphs_for
from graph import NODE_NAMES, NODE_OF_ROLE

WIDEST: Final = 100
_STYLES: Final[dict[Tone, Style]] = {
    "plain": Style(),
    "strong": Style(bold=True),
    "dim": Style(dim=True),
    "good": Style(color="green"),
    "bad": Style(color="red"),
    "warn": Style(color="yellow"),
    "now": Style(color="cyan"),
}
_MARK_TONES: Final[dict[str, Tone]] = {"good": "good", "bad": "bad", "warn": "warn", "open": "now"}
_TYPE_HERE: Final = "> type a message to the run, Enter sends it"
_DOING: Final[dict[str, str]] = {
    "prepare": "cloning the repository and finding its checks",
    "validate": "running the checks in a fresh tree",
    "publish": "gate, commit, push, pull request",
    **{node: f"the {role} starts" for role, node in NODE_OF_ROLE.items()},
}


class LiveDisplay(RunDisplay):
    """The drawing for a terminal."""

    draws: ClassVar[bool] = True

    def __init__(self, console: Console) -> None:
        self._console = console
        self._glyphs = glyphs_for(console.encoding)
        self._lines = EventLines(self._width)
        self._frame = 0
        self._typed: str | None = None
        self._live = self._new_live()

    def __enter__(self) -> Self:
        self._live.start(refresh=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    @property
    def _width(self) -> int:
        """As wide as the terminal is now, and as lines are still good to read."""
        return min(self._console.width, WIDEST)

    def show(self, event: Event) -> None:
        self._lines.width = self._width
        lines = self._lines.render(event)
        drawn = [text for line in lines for text in line_texts(line, self._width, self._glyphs)]
        if drawn:
            self._console.print(Group(*drawn), crop=False)

    def tick(self) -> None:
        self._frame += 1
        if self._live.is_started:
            self._live.update(self._foot(), refresh=True)

    def ring(self) -> None:
        self._console.bell()

    def show_typed(self, text: str | None) -> None:
        self._typed = text
        if self._live.is_started:
            self._live.update(self._foot(), refresh=True)

    def note(self, text: str) -> None:
        for line in clean(text).splitlines():
            self._console.print(Text(line, style=_STYLES["warn"]))

    def pause(self) -> None:
        self._live.stop()

    def go_on(self) -> None:
        self._live = self._new_live()
        self._live.start(refresh=True)

    def _new_live(self) -> Live:
        return Live(
            self._foot(),
            console=self._console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
        )

    def _foot(self) -> Group:
        state, width = self._lines.state, self._width - 1
        if not state.status:
            return Group(Text("starting", style=_STYLES["dim"]))
        if state.final:
            return Group()
        tools = duration(state.tools_elapsed) if state.tools else ""
        totals = f"{count(state.tokens.total)} tokens · {money(state.cost_usd)}"
        return Group(
            Text(),
            spread(self._now(), Text(tools, style=_STYLES["dim"]), width),
            rail(state, self._glyphs, self._frame, width),
            spread(
                Text(totals, style=_STYLES["dim"]),
                Text(duration(state.elapsed), style=_STYLES["dim"]),
                width,
            ),
            *([] if self._typed is None else [typed_line(self._typed, width)]),
        )

    def _now(self) -> Text:
        """What happens at this moment, in one line."""
        lines, state = self._lines, self._lines.state
        if state.waiting:
            return Text("waiting for an answer to the plan", style=_STYLES["warn"])
        if state.tools:
            first, *others = state.tools.values()
            more = f"  (and {len(others)} more)" if others else ""
            return Text(f"{state.role}  {first}{more}")
        if said := lines.saying:
            tone: Tone = "dim" if state.thinking else "plain"
            return Text(f"{state.role}  {said}", style=_STYLES[tone])
        doing = f"{state.role} is at work" if state.role else _DOING.get(state.node, "")
        return Text(doing or state.status, style=_STYLES["dim"])


def rail(state: DisplayState, glyphs: Glyphs, frame: int, width: int) -> Text:
    """The nodes and where the run is; below 76 columns only where it is."""
    signs = {"todo": glyphs.todo, "done": glyphs.good, "bad": glyphs.bad, "open": glyphs.warn}
    tones: dict[str, Tone] = {"todo": "dim", "done": "good", "bad": "bad", "open": "warn"}
    working = glyphs.working[frame % len(glyphs.working)]
    line = Text(no_wrap=True, overflow="ellipsis")
    for number, node in enumerate(NODE_NAMES, 1):
        mark = state.nodes[node]
        now = mark == "now"
        if width < 75 and node != state.node:
            continue
        sign = glyphs.warn if now and state.waiting else working
        line.append(sign if now else signs[mark], _STYLES["now" if now else tones[mark]])
        line.append(f" {node}", _STYLES["strong"] if now else _STYLES["dim"])
        line.append(f"  {number} of {len(NODE_NAMES)}" if width < 75 else "  ", _STYLES["dim"])
    line.rstrip()
    return line


def typed_line(text: str, width: int) -> Text:
    """What is typed, or its end where it is longer than the row."""
    if not text:
        return Text(_TYPE_HERE[:width], style=_STYLES["dim"], no_wrap=True)
    while text and cell_len(text) > width - 2:
        text = text[max(1, (cell_len(text) - width + 2) // 2) :]
    return Text(f"> {text}", style=_STYLES["now"], no_wrap=True)


def spread(left: Text, right: Text, width: int) -> Text:
    """One line: `left`, cut where it must be, and `right` at the edge."""
    room = max(width - right.cell_len - (2 if right.cell_len else 0), 0)
    left.truncate(room, overflow="ellipsis")
    left.append(" " * (width - left.cell_len - right.cell_len))
    left.append_text(right)
    left.no_wrap = True
    return left


def line_texts(line: Line, width: int, glyphs: Glyphs) -> list[Text]:
    """A line as the terminal shows it: one row, or more where it may wrap."""
    sign = glyphs.mark(line.mark)
    tone = _MARK_TONES.get(line.mark, "dim")
    indent = " " * line.indent
    hanging = indent + (" " * (cell_len(sign) + 1) if sign else "")
    right = Text(line.right, style=_STYLES[line.right_tone])
    room = max(width - len(hanging) - (right.cell_len + 2 if line.right else 0), 10)
    rows: list[Text] = []
    for number, piece in enumerate(_pieces(line, room)):
        over: OverflowMethod = "ignore" if line.whole else "ellipsis"
        row = Text(indent if sign and not number else hanging, no_wrap=True, overflow=over)
        if sign and not number:
            row.append(f"{sign} ", _STYLES[tone])
        row.append(piece, _STYLES[line.tone])
        rows.append(row)
    if line.right:
        rows[0].append(" " * max(width - rows[0].cell_len - right.cell_len, 2))
        rows[0].append_text(right)
    return rows


def _pieces(line: Line, room: int) -> list[str]:
    if line.whole:
        return [line.text]
    return wrap(line.text, room, hang=line.hang) if line.wrap else [_fit(line.text, room)]


def _fit(text: str, room: int) -> str:
    return text if cell_len(text) <= room else set_cell_size(text, room - 1).rstrip() + "…"
