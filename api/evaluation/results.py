"""The files of an evaluation: predictions and, beside them, the ledger and the grades."""

import asyncio
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Self, TypeVar

from pydantic import ValidationError

from api.evaluation.ledger import RETRIED, LedgerLine, LedgerValue, Prediction
from graph.errors import InvalidRequest
from graph.files import write_whole

ValueT = TypeVar("ValueT", bound=LedgerValue)


class Results:
    """Predictions and ledger as they grow. A task is done once the ledger has its line."""

    def __init__(self, predictions: Path, lines: Iterable[LedgerLine] = ()) -> None:
        self.predictions = predictions
        self.ledger = beside(predictions, ".ledger.jsonl")
        self.lines = {line.instance_id: line for line in lines}
        self._adding = asyncio.Lock()

    @classmethod
    def begin(cls, predictions: Path) -> Self:
        """New files. Raises InvalidRequest where one is there, OSError."""
        results = cls(predictions)
        for file in (results.predictions, results.ledger):
            if file.exists():
                raise InvalidRequest(
                    f"{file} is there already.",
                    "Carry it on with --resume, or name another file.",
                    field="out",
                )
        for file in (results.predictions, results.ledger):
            file.touch(exist_ok=False)
        return results

    @classmethod
    def carry_on(cls, predictions: Path) -> Self:
        """The files as they are, but for tasks whose runs came to no end of their own.

        Raises InvalidRequest, OSError.
        """
        results = cls.read(predictions)
        kept = [line for line in results.lines.values() if line.status not in RETRIED]
        results.lines = {line.instance_id: line for line in kept}
        said = _read(predictions, Prediction) if predictions.exists() else []
        done = [each for each in said if each.instance_id in results.lines]
        _write(predictions, done)
        _write(results.ledger, kept)
        return results

    @classmethod
    def read(cls, predictions: Path) -> Self:
        """The ledger as it is. Raises InvalidRequest, OSError."""
        ledger = beside(predictions, ".ledger.jsonl")
        return cls(predictions, _read(ledger, LedgerLine) if ledger.exists() else ())

    @property
    def spent_usd(self) -> float:
        """Money of all tasks so far; of unknown cost counts as none."""
        return sum(line.cost_usd or 0.0 for line in self.lines.values())

    async def add(self, prediction: Prediction, line: LedgerLine) -> None:
        """Write what came of a task, the ledger last."""
        async with self._adding:
            await asyncio.to_thread(_append, self.predictions, prediction)
            await asyncio.to_thread(_append, self.ledger, line)
            self.lines[line.instance_id] = line


def beside(predictions: Path, ending: str) -> Path:
    """Another file of the same evaluation."""
    return predictions.with_name(f"{predictions.name.removesuffix('.jsonl')}{ending}")


def read_predictions(file: Path) -> list[Prediction]:
    """Raises InvalidRequest, OSError."""
    return _read(file, Prediction)


def _read(file: Path, kind: type[ValueT]) -> list[ValueT]:
    """The lines of a file; the last may be half written, by a process that was killed."""
    found = []
    *lines, last = file.read_bytes().split(b"\n")
    for number, line in enumerate([*lines, last] if last else lines, start=1):
        try:
            found.append(kind.model_validate_json(line))
        except ValidationError:
            if number > len(lines):
                break
            raise InvalidRequest(
                f"{file}, line {number}: is no {kind.__name__}.",
                "Name a file that this command wrote.",
                field="out",
            ) from None
    return found


def _write(file: Path, values: Iterable[LedgerValue]) -> None:
    write_whole(file, b"".join(map(_encode, values)))


def _append(file: Path, value: LedgerValue) -> None:
    with file.open("ab") as opened:
        opened.write(_encode(value))
        opened.flush()
        os.fsync(opened.fileno())


def _encode(value: LedgerValue) -> bytes:
    return value.model_dump_json().encode() + b"\n"
