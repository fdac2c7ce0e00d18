"""Set-ups that a change does not get: what installs it could send it where all may read."""

from typing import Final

from graph import Base, Environment, Validation
from sandbox.core.protocol import Sandbox
from sandbox.egress.suggest_hosts import AUTO
from sandbox.setup.invalidation import has_scripts, reads_sources

_WHY: Final = (
    "and was not made anew for the change: on a repository that is not public that takes hosts"
    " which the operator names in CODING_AGENT_SETUP_HOSTS (`coding-agent doctor` prints the line)"
)


def is_withheld(base: Base, hosts: tuple[str, ...]) -> bool:
    """Whether changes of a base get none: nobody named hosts, and not all may read it."""
    return hosts == (AUTO,) and not base.public


def withheld_message(path: str) -> str:
    """What is said of a file for which set-up would be made anew."""
    return f"set-up reads `{path}`, {_WHY}"


async def judged_without(
    validation: Validation, environment: Environment, sandbox: Sandbox
) -> Validation:
    """What can be said of the change without a set-up of its own.

    Nothing, where set-up builds from sources: the build is the base's. Nor is it to blame for a
    module or a tool that is missing.
    """
    built = reads_sources(environment) or await has_scripts(sandbox, environment.setup)
    lacks = any(report.status == "failed" and report.lacking for report in validation.commands)
    if built or (lacks and validation.status == "failed"):
        return validation.model_copy(update={"status": "unavailable", "new_failures": ()})
    return validation
