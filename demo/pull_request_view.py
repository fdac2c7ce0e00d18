"""A pull request as the forge has it: its text by REST, its diff by git."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
from rich.console import Console
from rich.markdown import Markdown
from rich.rule import Rule

from api.terminal.report import colour_line
from api.terminal.text import clean, clean_line
from demo.fake_github.server import ForgeServer

_GIT_ENVIRONMENT: Final = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": "/",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
}


@dataclass(frozen=True)
class PullRequestView:
    """What a reader of the pull request sees."""

    number: int
    title: str
    body: str
    base: str
    head: str
    diff: str

    def show(self, console: Console) -> None:
        """Print it: its text drawn on a terminal, elsewhere as it was written."""
        body = clean(self.body)
        console.print()
        console.print(Rule(f"pull request #{self.number}", align="left"))
        console.print(clean_line(self.title), style="bold", soft_wrap=True)
        console.print(f"{self.head} into {self.base}", style="dim", soft_wrap=True)
        console.print()
        console.print(Markdown(body) if console.is_terminal else body, soft_wrap=True)
        console.print()
        for line in clean(self.diff).splitlines():
            console.print(colour_line(line), soft_wrap=True)


async def fetch_pull_request(
    forge: ForgeServer, full_name: str, number: int, clone: Path
) -> PullRequestView:
    """Ask the forge for the pull request, and git for its diff by way of the new folder `clone`."""
    headers = {"Authorization": f"Bearer {forge.token}"}
    async with httpx.AsyncClient(
        base_url=forge.api_url, headers=headers, trust_env=False
    ) as client:
        answer = await client.get(f"/repos/{full_name}/pulls/{number}")
    answer.raise_for_status()
    told = answer.json()
    base, head = told["base"]["ref"], told["head"]["ref"]
    await _git("clone", "--quiet", "--bare", f"{forge.address}/{full_name}.git", str(clone))
    diff = await _git("--git-dir", str(clone), "diff", f"{base}...{head}")
    return PullRequestView(
        number=number,
        title=told["title"],
        body=told["body"],
        base=base,
        head=head,
        diff=diff.rstrip("\n"),
    )


async def _git(*words: str) -> str:
    """What git prints."""
    process = await asyncio.create_subprocess_exec(
        "git",
        *words,
        cwd="/",
        env=_GIT_ENVIRONMENT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"git {words[0]} failed: {errors.decode(errors='replace').strip()}")
    return output.decode(errors="replace")
