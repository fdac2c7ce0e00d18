"""Names that differ by case alone are told, and stop nothing."""

from pathlib import Path

import pytest

from graph.publication import GateReport
from tests.support.trusted_side import TrustedSide


async def gate(side: TrustedSide, *names: str) -> GateReport:
    def edit(work: Path) -> None:
        for name in names:
            (work / name).parent.mkdir(parents=True, exist_ok=True)
            (work / name).write_text(f"{name}\n")

    base = await side.prepare()
    change = await side.change(base, edit)
    return await side.publisher.gate("r1", base, change, ())


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["readme.MD"], [("readme.MD", "README.md")]),
        (["Src/other.py"], [("Src/other.py", "src")]),
        (["a.txt", "A.txt"], [("A.txt", "a.txt"), ("a.txt", "A.txt")]),
        (["STRASSE", "stra\xdfe"], [("STRASSE", "stra\xdfe"), ("stra\xdfe", "STRASSE")]),
        (["src/README.md", "other.txt"], []),
        (["README.md"], []),
    ],
)
async def test_each_is_a_warning_that_names_the_other(
    side: TrustedSide, names: list[str], told: list[tuple[str, str]]
) -> None:
    report = await gate(side, *names)
    assert report.passed
    clashes = [finding for finding in report.findings if finding.rule == "case_clash"]
    assert [finding.path for finding in clashes] == [path for path, _ in told]
    for finding, (_, other) in zip(clashes, told, strict=True):
        assert f"Differs from {other} by case alone" in finding.message
        assert finding.severity == "warning"
