"""A receipt of what is published, cut to what a comment has room for."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from forge.receipt.receipt import (
    Receipt,
    ReceiptCommand,
    ReceiptCost,
    ReceiptFinding,
    ReceiptSetUp,
    ReceiptTest,
)
from graph import (
    GAP_RULES,
    CommandReport,
    Publication,
    RaisedFinding,
    RoleCost,
)

T = TypeVar("T")

_SIZES: Final = ((40, 300), (12, 150), (4, 80))
"""Items of a list and characters of a text, the first that fit."""
_ROOM: Final = 20_000
_LONGEST_COMMAND: Final = 1_000
"""A longer one is left out, as it could not be run again."""


@dataclass(frozen=True)
class _Size:
    items: int
    characters: int

    def rows(self, of: Iterable[T]) -> list[T]:
        return list(of)[: self.items]

    def texts(self, texts: Iterable[str]) -> tuple[str, ...]:
        return tuple(self.cut(text) for text in self.rows(texts))

    def cut(self, text: str) -> str:
        one = " ".join(text[: 4 * self.characters].split())
        return one if len(one) <= self.characters else f"{one[: self.characters - 1]}…"


def build_receipt(
    publication: Publication, commit: str, *, models: Mapping[str, str], version: str
) -> Receipt:
    """The receipt of a publication whose head is `commit`; `models` are those of the roles."""
    sized = (
        _build(publication, commit, models, version, _Size(items, characters))
        for items, characters in _SIZES
    )
    last: Receipt | None = None
    for last in sized:
        if len(last.canonical) <= _ROOM:
            break
    assert last
    return last


def _build(
    publication: Publication, commit: str, models: Mapping[str, str], version: str, size: _Size
) -> Receipt:
    base, change, account = publication.base, publication.change, publication.account
    validation, environment = publication.validation, publication.environment
    proof = validation.proof if validation else None
    set_up = environment.commands if environment else ()
    left_out = environment.left_out if environment else ()
    tools = dict(size.rows(environment.tools.items())) if environment else {}
    return Receipt(
        run_id=publication.run_id,
        repository=base.full_name,
        branch=publication.branch,
        base_branch=base.branch,
        base_commit=base.sha,
        commit=commit,
        tree=change.tree,
        change=change.ref.digest,
        commands=tuple(size.rows(_commands(publication))),
        new_failures=size.texts(validation.new_failures if validation else ()),
        known_failures=size.texts(validation.known_failures if validation else ()),
        flaky=size.texts(validation.flaky if validation else ()),
        proof=tuple(
            ReceiptTest(
                id=size.cut(test.id),
                without_change=test.without_change,
                with_change=test.with_change,
            )
            for test in size.rows(proof.tests if proof else ())
        ),
        review=publication.review.verdict if publication.review else "",
        findings=tuple(size.rows(_findings(publication, size.cut))),
        rounds=account.rounds,
        cost_usd=account.spent.cost_usd,
        tokens=account.spent.usage.tokens,
        roles=tuple(_cost(each, account.model, models) for each in account.roles),
        set_up=tuple(
            ReceiptSetUp(command=size.cut(each.shell), source=each.source, status=each.status)
            for each in size.rows(set_up)
        ),
        left_out=size.texts(f"{each.what}: {each.why}" for each in left_out),
        tools={size.cut(name): size.cut(told) for name, told in tools.items()},
        not_checked=size.texts(_not_checked(publication)),
        version=version,
    )


def _commands(publication: Publication) -> list[ReceiptCommand]:
    validation, baseline = publication.validation, publication.baseline
    reports = validation.commands if validation else ()
    of_base = {report.shell: report for report in (baseline.commands if baseline else ())}
    return [
        _command(report, of_base.get(report.shell))
        for report in reports
        if len(report.shell) <= _LONGEST_COMMAND
    ]


def _command(report: CommandReport, base: CommandReport | None) -> ReceiptCommand:
    return ReceiptCommand(
        command=report.command,
        folder=report.folder,
        status=report.status,
        exit_code=report.exit_code,
        counts=report.counts,
        base_status=base.status if base else None,
        base_exit_code=base.exit_code if base else None,
    )


def _findings(publication: Publication, cut: Callable[[str], str]) -> list[ReceiptFinding]:
    """What fixers were called for, and what the last review said."""
    validation, review = publication.validation, publication.review
    failing = set(validation.new_failures if validation else ())
    open_now = {(each.path, each.message) for each in (review.findings if review else ())}
    found = []
    for raised in publication.account.raised:
        is_open = (
            raised.message in failing if raised.check else (raised.path, raised.message) in open_now
        )
        found.append(_finding(raised, cut, "open" if is_open else f"fixed in round {raised.round}"))
    known = {(each.path, each.message) for each in publication.account.raised}
    found += [
        ReceiptFinding(
            severity=each.severity,
            path=cut(each.path),
            line=each.line,
            message=cut(each.message),
            settled="open" if each.severity == "error" else "left as it is",
        )
        for each in (review.findings if review else ())
        if (each.path, each.message) not in known
    ]
    return found


def _finding(raised: RaisedFinding, cut: Callable[[str], str], settled: str) -> ReceiptFinding:
    message = f"fails: {raised.message}" if raised.check else raised.message
    return ReceiptFinding(
        severity=raised.severity,
        path=cut(raised.path),
        line=raised.line,
        message=cut(message),
        settled=settled,
    )


def _cost(cost: RoleCost, model: str, models: Mapping[str, str]) -> ReceiptCost:
    return ReceiptCost(
        role=cost.role,
        model=model or models.get(cost.role, ""),
        cost_usd=cost.spend.cost_usd,
        tokens=cost.spend.usage.tokens,
    )


def _not_checked(publication: Publication) -> list[str]:
    validation = publication.validation
    findings = validation.findings if validation else ()
    proof = validation.proof if validation else None
    told = [*publication.remaining]
    told += [each.message for each in findings if each.rule in GAP_RULES]
    told += [f"not tried without the change: {name}" for name in (proof.not_tried if proof else ())]
    told += [
        f"the check is too long to be told: {report.shell[:80]}…"
        for report in (validation.commands if validation else ())
        if len(report.shell) > _LONGEST_COMMAND
    ]
    return list(dict.fromkeys(told))
