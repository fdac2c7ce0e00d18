"""A receipt as JSON: what `coding-agent verify` runs again, and what a signature is of."""

import json
from collections.abc import Mapping
from typing import Final

from graph import Value

PURPOSE: Final = "coding-agent-receipt"
"""What the signature of a receipt is for, so that no signature of a commit is one."""


class ReceiptCommand(Value):
    """One check: `status` and `exit_code` of the head, and of the base where it was run there."""

    command: str
    folder: str = ""
    status: str
    exit_code: int | None = None
    counts: str = ""
    base_status: str | None = None
    base_exit_code: int | None = None


class ReceiptTest(Value):
    """A test of the change, over the base's sources and over its own."""

    id: str
    without_change: str
    with_change: str


class ReceiptSetUp(Value):
    """A command of set-up, and whose it was."""

    command: str
    source: str
    status: str


class ReceiptFinding(Value):
    """What was raised in review or by a check, and how it was settled."""

    severity: str
    path: str = ""
    line: int | None = None
    message: str
    settled: str


class ReceiptCost(Value):
    """Money and tokens of one role; `cost_usd` is None where a price is unknown."""

    role: str
    model: str = ""
    cost_usd: float | None
    tokens: int


class Receipt(Value):
    """What a run did, and on what.

    `commit` and `tree` are the head's, `base_commit` is what checks of the base were run on.
    `version` is the product's, `tools` are those of the trees.
    """

    receipt: int = 1
    run_id: str
    repository: str
    branch: str
    base_branch: str
    base_commit: str
    commit: str
    tree: str
    change: str
    commands: tuple[ReceiptCommand, ...] = ()
    new_failures: tuple[str, ...] = ()
    known_failures: tuple[str, ...] = ()
    flaky: tuple[str, ...] = ()
    proof: tuple[ReceiptTest, ...] = ()
    review: str = ""
    findings: tuple[ReceiptFinding, ...] = ()
    rounds: int = 0
    cost_usd: float | None = 0.0
    tokens: int = 0
    roles: tuple[ReceiptCost, ...] = ()
    set_up: tuple[ReceiptSetUp, ...] = ()
    left_out: tuple[str, ...] = ()
    tools: Mapping[str, str] = {}
    not_checked: tuple[str, ...] = ()
    version: str = ""

    @property
    def canonical(self) -> bytes:
        """The bytes that are signed: sorted keys, no spaces, ASCII alone."""
        fields = self.model_dump(mode="json", by_alias=True)
        return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode("ascii")
