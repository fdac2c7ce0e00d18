"""What one step of `make live` found: what the stand-ins take for granted, and what was seen."""

import asyncio
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.peers.environments import ROOT


@dataclass
class Trial:
    """The findings of one step; `skipped` says why it was not made, in a sentence."""

    name: str
    skipped: str = ""
    findings: list[tuple[str, bool, str]] = field(default_factory=list)
    cost_usd: float = 0.0

    def expect(self, what: str, held: bool, seen: object = "") -> None:
        """Note whether the service does what the stand-in does."""
        self.findings.append((what, held, str(seen)))

    @property
    def held(self) -> bool:
        return all(held for _, held, _ in self.findings)

    def lines(self) -> list[str]:
        """The step as Markdown."""
        if self.skipped:
            return [f"- {self.name}: not tried. {self.skipped}"]
        head = f"- {self.name}: {len(self.findings)} tried, ${self.cost_usd:.2f}"
        return [head, *(_line(*finding) for finding in self.findings)]


def _line(what: str, held: bool, seen: str) -> str:
    return f"  - {what}" if held else f"  - not as with the stand-in: {what}; seen: {seen}"


@dataclass(frozen=True)
class Account:
    """The user's keys as variables of a process, and a folder for what the steps make."""

    environment: Mapping[str, str]
    folder: Path

    async def command(self, *words: str) -> tuple[int, str, str]:
        """Run `coding-agent` on pipes: exit code, output and errors."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "coding_agent", *words),
            env={**self.environment, "PYTHONPATH": str(ROOT)},
            cwd=self.folder,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        return process.returncode or 0, out.decode(), err.decode()
