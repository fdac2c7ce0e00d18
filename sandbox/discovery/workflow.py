"""What the jobs of a workflow of GitHub Actions run on Linux."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import yaml

_MOST_JOBS: Final = 40
_MOST_STEPS: Final = 60
_LONGEST_NAME: Final = 100
_DEEPEST: Final = 40
_ELSEWHERE: Final = re.compile(r"windows|macos", re.IGNORECASE)
_NOT_ELSEWHERE: Final = re.compile(
    r"!=\s*'(?:windows|macos)|!\s*(?:startsWith|contains)", re.IGNORECASE
)
_SHELLS: Final = frozenset(("", "bash", "sh"))


class _Loader(yaml.BaseLoader):
    """Makes no value and merges no key; lists in lists are looked at anew for each token."""

    def fetch_flow_collection_start(self, TokenClass: Any) -> None:  # noqa: N803 - as it is called
        if self.flow_level > _DEEPEST:
            raise yaml.YAMLError("nested too deeply")
        super().fetch_flow_collection_start(TokenClass)


@dataclass(frozen=True)
class Job:
    """One job: its steps' scripts, the images of the services beside it, and its variables."""

    name: str
    scripts: tuple[str, ...]
    services: tuple[str, ...]
    variables: tuple[tuple[str, str], ...] = ()


def read_workflow(text: str) -> tuple[Job, ...]:
    """The jobs that run on Linux; none of a text that is no workflow."""
    try:
        read = _Loader(text).get_single_data()
    except (yaml.YAMLError, RecursionError):
        return ()
    workflow = _mapping(read)
    named = islice(_mapping(workflow.get("jobs")).items(), _MOST_JOBS)
    jobs = ((str(name)[:_LONGEST_NAME], _mapping(job)) for name, job in named)
    return tuple(
        Job(
            name,
            tuple(_scripts(workflow, job)),
            tuple(_services(job)),
            tuple(_variables(workflow, job)),
        )
        for name, job in jobs
        if not _is_elsewhere(job.get("runs-on"))
    )


def _scripts(workflow: Mapping[str, Any], job: Mapping[str, Any]) -> Iterator[str]:
    defaults = {**_defaults(workflow), **_defaults(job)}
    steps = job.get("steps")
    for step in map(_mapping, steps[:_MOST_STEPS] if isinstance(steps, list) else ()):
        script, options = step.get("run"), {**defaults, **step}
        if not isinstance(script, str) or not script.strip() or _is_conditional(step.get("if")):
            continue
        if str(options.get("shell", "")).partition(" ")[0] in _SHELLS:
            folder = options.get("working-directory")
            inside = isinstance(folder, str) and folder.strip("./ ")
            yield f"cd {folder}\n{script.strip()}" if inside else script.strip()


def _defaults(value: Mapping[str, Any]) -> Mapping[str, Any]:
    return _mapping(_mapping(value.get("defaults")).get("run"))


def _services(job: Mapping[str, Any]) -> Iterator[str]:
    """Images; what a matrix names in them is not known, and one that it names has a name beside."""
    for name, service in islice(_mapping(job.get("services")).items(), _MOST_STEPS):
        image = service if isinstance(service, str) else _mapping(service).get("image")
        if isinstance(image, str):
            yield image.partition("${{")[0].rstrip(":@") or str(name)[:_LONGEST_NAME]


def _variables(workflow: Mapping[str, Any], job: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Those that are written out, for all steps."""
    env = {**_mapping(workflow.get("env")), **_mapping(job.get("env"))}
    for name, value in islice(env.items(), _MOST_STEPS):
        if isinstance(name, str) and isinstance(value, str) and "${{" not in value:
            yield name[:_LONGEST_NAME], value


def _is_elsewhere(runs_on: Any) -> bool:
    labels = runs_on if isinstance(runs_on, list) else [runs_on]
    return any(isinstance(label, str) and _ELSEWHERE.match(label) for label in labels)


def _is_conditional(condition: Any) -> bool:
    """Whether a step is for another system alone."""
    if not isinstance(condition, str):
        return False
    return bool(_ELSEWHERE.search(condition)) and not _NOT_ELSEWHERE.search(condition)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
