"""A receipt as a page: tables for people, JSON and signature for programs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import ValidationError

from forge.receipt.receipt import Receipt, ReceiptCommand
from forge.text.sanitize_markdown import code, cut, line
from forge.text.sections import join, section

MARK: Final = "<!-- coding-agent-receipt -->"
"""The first line of a receipt."""
MAX_PAGE: Final = 65_000
_MAX_SECTIONS: Final = 30_000
_MAX_CELL: Final = 200
_JSON: Final = "json"
_SIGNATURE: Final = "signature"


@dataclass(frozen=True)
class ReceiptText:
    """A receipt in one line, and whole."""

    title: str
    page: str

    @property
    def marked(self) -> str:
        """The page where it has a place of its own."""
        return f"{MARK}\n{self.page}"

    @property
    def folded(self) -> str:
        """The page below its title, among what others say."""
        begin = f"<details>\n<summary>{self.title}</summary>"
        return f"{MARK}\n{begin}\n\n{self.page}\n\n</details>"


def write_receipt(receipt: Receipt, sections: str, signature: str = "") -> ReceiptText:
    """The receipt as text; `sections` are what else the run has to tell."""
    parts = [
        _where(receipt),
        _commands(receipt.commands),
        section("Findings", [_finding(receipt, at) for at in range(len(receipt.findings))]),
        _costs(receipt),
        section("Not checked", [line(text, _MAX_CELL) for text in receipt.not_checked]),
        cut(sections, _MAX_SECTIONS),
        _for_programs(receipt, signature),
    ]
    return ReceiptText(_summary(receipt), join(*parts))


def is_receipt(comment: str) -> bool:
    """Whether a comment is one that shows a receipt."""
    return comment.startswith(MARK)


def read_page(page: str) -> tuple[Receipt, str] | None:
    """The receipt and its signature, or nothing where the page holds none that can be read."""
    blocks = _blocks(page[: 4 * MAX_PAGE])
    try:
        receipt = Receipt.model_validate_json(blocks.get(_JSON, ""))
    except ValidationError:
        return None
    return receipt, blocks.get(_SIGNATURE, "")


def _summary(receipt: Receipt) -> str:
    passed = sum(1 for each in receipt.commands if each.status == "passed")
    review = {"approve": ", approved", "request_changes": ", changes requested"}
    told = f"{passed} of {len(receipt.commands)} checks passed{review.get(receipt.review, '')}"
    return f"Receipt: {told}, {_money(receipt.cost_usd)}"


def _where(receipt: Receipt) -> str:
    tree, base = code(receipt.tree, _MAX_CELL), code(receipt.base_commit, _MAX_CELL)
    head, version = code(receipt.commit, _MAX_CELL), line(receipt.version, _MAX_CELL)
    return (
        f"Run {code(receipt.run_id, _MAX_CELL)} of coding-agent {version}: commit {head} (tree"
        f" {tree}) on {base} of {code(receipt.base_branch, _MAX_CELL)}."
    )


def _commands(commands: Sequence[ReceiptCommand]) -> str:
    if not commands:
        return "### Checks\n\nNone was run."
    rows = ["### Checks", "", "| command | this change | its base |", "|---|---|---|"]
    for each in commands:
        shell = f"cd {each.folder} && {each.command}" if each.folder else each.command
        head = _ended(each.status, each.exit_code, each.counts)
        base = _ended(each.base_status or "not run", each.base_exit_code, "")
        rows.append(f"| {_cell(code(shell, _MAX_CELL))} | {head} | {base} |")
    return "\n".join(rows)


def _ended(status: str, exit_code: int | None, counts: str) -> str:
    told = line(status, _MAX_CELL)
    told += f", exit code {exit_code}" if exit_code is not None else ""
    return _cell(f"{told}, {line(counts, _MAX_CELL)}" if counts else told)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _finding(receipt: Receipt, at: int) -> str:
    each = receipt.findings[at]
    place = each.path + (f":{each.line}" if each.line else "")
    shown = f"{code(place, _MAX_CELL)} " if place else ""
    settled = line(each.settled, _MAX_CELL)
    return f"{line(each.severity, 20)}: {shown}{line(each.message, _MAX_CELL)} ({settled})"


def _costs(receipt: Receipt) -> str:
    rounds = f"{receipt.rounds} fix round{'s' if receipt.rounds != 1 else ''}"
    told = [f"In all {_money(receipt.cost_usd)}, {receipt.tokens} tokens, {rounds}."]
    told += [
        f"{line(each.role, 40)}: {_money(each.cost_usd)}, {each.tokens} tokens"
        + (f", {line(each.model, 80)}" if each.model else "")
        for each in receipt.roles
    ]
    return section("Cost", told)


def _money(usd: float | None) -> str:
    return "cost unknown" if usd is None else f"${usd:.2f}"


def _for_programs(receipt: Receipt, signature: str) -> str:
    """The JSON in a fence that nothing in it ends: it is ASCII on one line."""
    signed = "signed" if signature else "not signed"
    blocks = [
        f"<details>\n<summary>As JSON, {signed}</summary>",
        f"````{_JSON}\n{receipt.canonical.decode()}\n````",
        f"````{_SIGNATURE}\n{signature.strip()}\n````" if signature else "",
        "</details>",
    ]
    return join(*blocks)


def _blocks(page: str) -> dict[str, str]:
    """The last fenced block of each name that stands at a line's start."""
    found: dict[str, str] = {}
    name, rows = "", list[str]()
    for row in page.replace("\r\n", "\n").split("\n"):
        if name and row == "````":
            found[name], name = "\n".join(rows), ""
        elif name:
            rows.append(row)
        elif row in (f"````{_JSON}", f"````{_SIGNATURE}"):
            name, rows = row.removeprefix("````"), []
    return found
