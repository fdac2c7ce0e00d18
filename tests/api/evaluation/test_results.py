"""The files of an evaluation, as they grow and as they are taken up again."""

from pathlib import Path

import pytest

from api.evaluation.ledger import LedgerLine, Prediction
from api.evaluation.results import Results, read_predictions
from graph import FinalStatus
from graph.errors import InvalidRequest


def of(name: str, status: FinalStatus = "succeeded") -> tuple[Prediction, LedgerLine]:
    prediction = Prediction(instance_id=name, model_name_or_path="m", model_patch=f"{name}\n")
    return prediction, LedgerLine(instance_id=name, run_id="r", status=status, cost_usd=0.5)


async def test_files_that_are_there_are_not_begun_anew(tmp_path: Path) -> None:
    out = tmp_path / "predictions.jsonl"
    await Results.begin(out).add(*of("one"))
    with pytest.raises(InvalidRequest, match="is there already"):
        Results.begin(out)
    assert [line.instance_id for line in read_predictions(out)] == ["one"]


async def test_a_run_without_an_end_of_its_own_is_missing_again(tmp_path: Path) -> None:
    results = Results.begin(tmp_path / "predictions.jsonl")
    ends: tuple[FinalStatus, ...] = ("succeeded", "failed", "incomplete", "cancelled")
    for status in ends:
        await results.add(*of(status, status))
    again = Results.carry_on(results.predictions)
    assert set(again.lines) == {"succeeded", "incomplete"}
    assert again.spent_usd == 1.0
    assert {line.instance_id for line in read_predictions(again.predictions)} == set(again.lines)


async def test_what_a_killed_process_left_is_no_line(tmp_path: Path) -> None:
    results = Results.begin(tmp_path / "predictions.jsonl")
    await results.add(*of("one"))
    with results.predictions.open("a") as predictions, results.ledger.open("a") as ledger:
        predictions.write(of("two")[0].model_dump_json() + "\n")
        ledger.write('{"instance_id": "tw')
    again = Results.carry_on(results.predictions)
    await again.add(*of("two"))
    assert [line.instance_id for line in read_predictions(again.predictions)] == ["one", "two"]
    assert list(Results.read(again.predictions).lines) == ["one", "two"]


def test_another_file_is_refused_with_its_line(tmp_path: Path) -> None:
    out = tmp_path / "predictions.jsonl"
    out.write_text('{"instance_id": 1}\n')
    with pytest.raises(InvalidRequest, match="line 1: is no Prediction"):
        Results.carry_on(out)


def test_a_last_line_without_an_end_is_one_where_it_is_whole(tmp_path: Path) -> None:
    out = tmp_path / "predictions.jsonl"
    lines = [of(name)[0].model_dump_json() for name in ("one", "two")]
    out.write_text("\n".join(lines))
    assert [line.instance_id for line in read_predictions(out)] == ["one", "two"]
