"""The question whether a plan may be carried out."""

from typing import Any

from langgraph.types import interrupt
from pydantic import ValidationError

from graph.errors.validation_faults import describe_faults
from graph.values import Approval, Plan


def ask_approval(plan_id: str, plan: Plan | None) -> Approval:
    """The answer that resumes the graph; one that is none is told, and the question stays."""
    question: dict[str, Any] = {
        "planId": plan_id,
        "plan": plan.model_dump(mode="json", by_alias=True) if plan else None,
        "expects": Approval.EXPECTED,
    }
    while True:
        try:
            answer: Approval = interrupt(question, response_schema=Approval)
        except ValidationError as error:
            question["error"] = f"{describe_faults(error)[0]}."
        else:
            return answer
