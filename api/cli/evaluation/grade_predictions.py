"""Grades of predictions by the tasks' hidden tests, told a line each."""

import asyncio
from typing import TYPE_CHECKING, Final

from api.cli.evaluation.order import EvaluationOrder
from api.evaluation import EvaluationTask, Grade, Grades, beside, read_predictions, read_tasks
from api.exit_codes import FAILED
from api.terminal.display.print_lines import print_lines
from api.terminal.text.safe_text import clean_line
from api.terminal.text.styled_line import Line, Mark
from graph.errors import CodingAgentError, InvalidRequest

if TYPE_CHECKING:
    from wiring import Settings, TaskGrader

GRADES: Final = ".grades.json"
_MARKS: Final[dict[Grade, Mark]] = {"resolved": "good", "error": "bad"}


async def grade_predictions(settings: "Settings", order: EvaluationOrder) -> int:
    """Grade each that has a task with hidden tests; 1 where one could not be graded."""
    from wiring import Machine, TaskGrader, start_log

    start_log(settings, "warning")
    tasks = await asyncio.to_thread(read_tasks, order.tasks, order.part)
    hidden = {task.instance_id: task for task in tasks if task.test_patch}
    predicted = await asyncio.to_thread(read_predictions, order.out)
    wanted = [each for each in predicted if each.instance_id in hidden]
    if not wanted:
        raise InvalidRequest(
            f"No prediction of {order.out} has a task with a test_patch.",
            "Grade it with the harness that the tasks are of.",
            field="tasks",
        )
    slots, found = asyncio.Semaphore(order.workers), dict[str, Grade]()
    async with Machine(settings, setup_turns=False) as machine:
        grader = TaskGrader(machine)

        async def work(task: EvaluationTask, patch: str) -> None:
            async with slots:
                found[task.instance_id] = await _grade(grader, task, patch)

        async with asyncio.TaskGroup() as group:
            for each in wanted:
                group.create_task(work(hidden[each.instance_id], each.model_patch))
    file = beside(order.out, GRADES)
    grades = Grades.of((each.instance_id, found[each.instance_id]) for each in wanted)
    await asyncio.to_thread(grades.write, file)
    print_lines(
        [
            Line(f"{len(grades.resolved_ids)} of {len(wanted)} resolved", tone="strong"),
            Line(clean_line(f"Grades: {file}"), indent=2),
        ]
    )
    return FAILED if grades.error_ids else 0


async def _grade(grader: "TaskGrader", task: EvaluationTask, patch: str) -> Grade:
    try:
        grade, why = await grader.grade(task, patch), ""
    except CodingAgentError as error:
        grade, why = "error", f": {error.message}"
    said = f"{task.instance_id}  {grade.replace('_', ' ')}{why}"
    print_lines([Line(clean_line(said), mark=_MARKS.get(grade, "warn"))])
    return grade
