"""A pull request as the forge has it: its text by REST, its diff by git."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
from rich.console import Console, RenderableType
from rich.markdown import Markdown
from rich.rule import Rule
from rich.syntax import Syntax

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
        """Print it: drawn on a terminal, else as plain text."""
        console.print()
        console.print(Rule(f"pull request #{self.number}", align="left"))
        console.print(self.title, style="bold")
        console.print(f"{self.head} into {self.base}", style="dim")
        console.print()
        console.print(*self._parts(console), sep="\n\n")

    def _parts(self, console: Console) -> tuple[RenderableType, RenderableType]:
        if not console.is_terminal:
            return self.body, self.diff
        diff = Syntax(self.diff, "diff", theme="ansi_dark", background_color="default")
        return Markdown(self.body, code_theme="ansi_dark"), diff


async def fetch_pull_request(
    api_url: str, token: str, repo_url: str, number: int, folder: Path
) -> PullRequestView:
    """Ask the forge for the pull request; `folder` is where git may put its clone."""
    full_name = "/".join(repo_url.split("/")[-2:])
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=api_url, headers=headers, trust_env=False) as client:
        answer = await client.get(f"/repos/{full_name}/pulls/{number}")
    answer.raise_for_status()
    told = answer.json()
    base, head = told["base"]["ref"], told["head"]["ref"]
    await _git("clone", "--quiet", "--bare", f"{repo_url}.git", str(folder))
    diff = await _git("--git-dir", str(folder), "diff", f"{base}...{head}")
    return PullRequestView(
        number=number,
        title=told["title"],
        body=told["body"],
        base=base,
        head=head,
        diff=diff.rstrip("\n"),
    )


async def _git(*words: str) -> str:
    """What git prints. The forge runs in this process, which must not wait for git as a whole."""
    process = await asyncio.create_subprocess_exec(
        "git",
        *words,
        env=_GIT_ENVIRONMENT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"git {words[0]} failed: {errors.decode(errors='replace').strip()}")
    return output.decode(errors="replace")
