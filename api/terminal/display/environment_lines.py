"""What was made ready for a run, and how the checks end without and with its change, as lines."""

from typing import Final

from api.terminal.text.human_units import duration
from api.terminal.text.safe_text import clean_line
from api.terminal.text.styled_line import Line, Mark, cut, tail
from api.terminal.text.untrusted_fields import Fields

_MAX_COMMANDS: Final = 8
_MAX_LEFT_OUT: Final = 8
_MAX_TESTS: Final = 8
_MAX_TOOLS: Final = 6
_OUTPUT: Final = 6
_REASON: Final = 4
_ON_BASE: Final[dict[str, tuple[str, Mark]]] = {
    "passed": ("passes on the base", "good"),
    "failed": ("fails on the base", "warn"),
    "stopped": ("stopped on the base", "warn"),
    "unavailable": ("cannot run here", "warn"),
}


def environment_lines(environment: Fields, indent: int = 2) -> list[Line]:
    """What set-up ran, what it made, and what it left out."""
    commands = environment.each("commands")
    took = sum(command.number("durationMs") or 0 for command in commands) / 1000
    right = "kept from before" if environment.flag("kept") else _known(took)
    tools = environment.inner("tools")
    versions = [f"{name} {tools.line(name)}" for name in tools.names()[:_MAX_TOOLS]]
    said = "ready" if commands or versions else "nothing to set up"
    head = Line("  ".join((said, *versions)), indent=indent, mark="good", right=right)
    rows = [line for command in commands for line in _command_lines(command, indent + 2)]
    left_out = _left_out_lines(environment.each("leftOut"), indent + 2)
    lines = [head, *cut(rows, _MAX_COMMANDS, "commands"), *cut(left_out, _MAX_LEFT_OUT, "parts")]
    services = [f"{s.line('name')} on {s.number('port')}" for s in environment.each("services")]
    if services:
        lines.append(Line(f"beside it  {', '.join(services)}", indent=indent + 2, tone="dim"))
    if maker := environment.line("maker"):
        lines.append(Line(f"found by the model in run {maker}", indent=indent + 2, tone="dim"))
    return lines


def _left_out_lines(parts: list[Fields], indent: int) -> list[Line]:
    """With the last lines of each reason; parts with the same one are told together."""
    named: dict[str, list[str]] = {}
    for part in parts:
        named.setdefault(_last_of(part.text("why")), []).append(part.line("what"))
    return [
        Line(f"left out  {', '.join(names)}: {why}", indent=indent, mark="warn")
        for why, names in named.items()
    ]


def _last_of(why: str) -> str:
    """Its last lines as one, without the marks that point into a traceback's lines."""
    lines = [text for text in map(clean_line, why.splitlines()) if text.strip(" ^~")]
    return " ".join(lines[-_REASON:])


def _command_lines(command: Fields, indent: int) -> list[Line]:
    took = _known((command.number("durationMs") or 0) / 1000)
    label = f"{command.line('folder')}$ {command.line('command')}"
    status = command.line("status")
    if status == "ok":
        return [Line(label, indent=indent, right=took, tone="dim", wrap=False)]
    right = status.replace("_", " ")
    head = Line(label, indent=indent, mark="warn", right=right, right_tone="warn", wrap=False)
    return [head, *tail(command.text("output"), _OUTPUT, indent + 2)]


def _known(seconds: float) -> str:
    """How long; empty for commands that a repository names itself, of which it is not known."""
    return duration(seconds) if seconds else ""


def baseline_lines(baseline: Fields, indent: int = 2) -> list[Line]:
    """How each check ends on the untouched base."""
    lines = []
    for check in baseline.each("commands"):
        said, mark = _ON_BASE.get(check.line("status"), (check.line("status"), "warn"))
        took = duration((check.number("durationMs") or 0) / 1000)
        took = "kept from before" if baseline.flag("kept") else took
        counts = check.line("counts")
        label = f"{check.line('folder')}$ {check.line('command')}"
        right = " · ".join(part for part in (said, counts, took) if part)
        lines.append(Line(label, indent=indent, mark=mark, right=right, wrap=False))
        why = last_line(check.text("output"))
        if why and not counts and check.line("status") in ("failed", "unavailable"):
            lines.append(Line(why, indent=indent + 2, tone="dim", wrap=False))
    return lines or [Line("no check was found", indent=indent, mark="warn")]


def last_line(output: str) -> str:
    """The last line that says something; empty where there is none."""
    lines = (clean_line(line).strip() for line in reversed(output.splitlines()))
    return next(filter(None, lines), "")


def proof_lines(proof: Fields, indent: int = 2) -> list[Line]:
    """What the change's own tests show."""
    if not proof.flag("shown"):
        return [Line(text, indent=indent, mark="warn", tone="warn") for text in _lacks(proof)]
    shown = [
        Line(
            f"{test.line('id')} fails without this change, passes with it",
            indent=indent,
            mark="good",
            wrap=False,
        )
        for test in proof.each("tests")
        if (test.line("withoutChange"), test.line("withChange")) == ("failed", "passed")
    ]
    return cut(shown, _MAX_TESTS, "tests")


def _lacks(proof: Fields) -> list[str]:
    """Why no test is known to show the change."""
    tests, files = proof.each("tests"), proof.lines("notTried")
    unloaded = [t.line("id") for t in tests if t.line("withoutChange") == "not_importable"]
    said = ["no test shows this change"] if tests or not files else []
    if unloaded:
        said.append(f"cannot be imported without this change: {_named(unloaded)}")
    if files:
        said.append(f"not tried without this change: the tests in {_named(files)}")
    return said


def _named(names: list[str]) -> str:
    """Some of them."""
    more = f" and {len(names) - _MAX_TESTS} more" if len(names) > _MAX_TESTS else ""
    return f"{', '.join(names[:_MAX_TESTS])}{more}"
