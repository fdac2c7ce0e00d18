"""The pull request as the forge has it: its text, and its diff by git."""

from typing import Any

from rich.console import Console
from rich.markdown import Markdown
from rich.rule import Rule

from api.terminal.report import colour_line
from api.terminal.text import clean, clean_line


def show_pull_request(console: Console, pull: dict[str, Any], changed: str, diff: str) -> None:
    """Print it: its text drawn on a terminal, elsewhere as it was written, and its diff, if any.

    The result (`changed` counts it) is what stands last: it is in view when the demo has ended.
    """
    body = clean(pull["body"])
    console.print()
    console.print(Rule(f"pull request #{pull['number']}", align="left"))
    console.print(clean_line(pull["title"]), style="bold", soft_wrap=True)
    console.print()
    drawn = Markdown(body) if console.is_terminal else body
    console.print(drawn, soft_wrap=not console.is_terminal)
    console.print()
    for line in clean(diff).splitlines():
        console.print(colour_line(line), soft_wrap=True)
    console.print(Rule(style="dim"))
    result = f"Pull request #{pull['number']}: {clean_line(pull['title'])}"
    console.print(result, style="bold green", soft_wrap=True)
    console.print(f"{pull['head']['ref']} into {pull['base']['ref']}", style="dim", soft_wrap=True)
    more = "" if diff else "; its diff: coding-agent demo --diff"
    console.print(f"{clean_line(changed)}{more}", style="dim", soft_wrap=True)
