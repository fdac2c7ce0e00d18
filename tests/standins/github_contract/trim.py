"""Makes `description.json` from GitHub's published description, without what nobody here calls.

    npm pack @octokit/openapi@23.0.2
    .venv/bin/python -m tests.standins.github_contract.trim octokit-openapi-23.0.2.tgz

makes it anew. Calls given behind the archive, such as `"GET /repos/octo/sample/milestones"`, and
deliveries of webhooks, such as `"HOOK issues-opened"`, are added to those that it has.
"""

import json
import sys
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from tests.standins.github_contract.operations import DESCRIPTION, HOOK, HOOKS, Operations

Json = dict[str, Any]

_MEMBER: Final = "package/generated/api.github.com.json"
_METHODS: Final = frozenset(("get", "put", "post", "patch", "delete"))
_PROSE: Final = frozenset((
    *("description", "summary", "title", "externalDocs", "example", "examples", "tags"),
    *("operationId", "deprecated", "x-github", "x-octokit"),
))  # fmt: skip


def trim(published: Json, calls: Iterable[str]) -> Json:
    """What is said of `calls` (`METHOD path` or `HOOK event-action`), and what that refers to."""
    known, paths, hooks = Operations(published), dict[str, Json](), dict[str, Json]()
    for call in sorted(set(calls)):
        method, _, path = call.partition(" ")
        if method == HOOK:
            hooks[path] = {"post": _bare(published[HOOKS][path]["post"])}
            continue
        operation = known.find(method, path)
        if operation is None:
            raise LookupError(f"GitHub's description has no operation {call}")
        paths.setdefault(operation.template, {})[method.lower()] = _bare(operation.described)
    components = dict[str, Json]()
    for kind, name in sorted(_referred([paths, hooks], published["components"])):
        components.setdefault(kind, {})[name] = _bare(published["components"][kind][name])
    return {
        "openapi": published["openapi"],
        "info": {"title": published["info"]["title"], "version": published["info"]["version"]},
        "paths": paths,
        HOOKS: hooks,
        "components": components,
    }


def _bare(node: Any, *, names: bool = False) -> Any:
    """A part without prose. `names`: the keys are names of fields, not words of OpenAPI."""
    if isinstance(node, dict):
        return {
            key: _bare(each, names=key == "properties")
            for key, each in node.items()
            if names or key not in _PROSE
        }
    return [_bare(each) for each in node] if isinstance(node, list) else node


def _referred(part: Any, components: Json) -> set[tuple[str, str]]:
    """Kinds and names of all components that a part leads to."""
    found, waiting = set[tuple[str, str]](), [part]
    while waiting:
        for address in _addresses(_bare(waiting.pop())):
            kind, name = address.split("/")[-2:]
            if (kind, name) not in found:
                found.add((kind, name))
                waiting.append(components[kind][name])
    return found


def _addresses(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        node = list(node.values())
    if isinstance(node, list):
        for each in node:
            yield from _addresses(each)


def main() -> None:
    archive, *added = sys.argv[1:]
    with tarfile.open(archive) as package:
        member = package.extractfile(_MEMBER)
        if member is None:
            sys.exit(f"{archive} holds no {_MEMBER}")
        published = json.load(member)
    present = json.loads(DESCRIPTION.read_text()) if DESCRIPTION.exists() else {"paths": {}}
    kept = [
        f"{method.upper()} {path}"
        for path, item in present["paths"].items()
        for method in item
        if method in _METHODS
    ]
    kept += [f"{HOOK} {name}" for name in present.get(HOOKS, ())]
    text = json.dumps(trim(published, [*kept, *added]), indent=1)
    Path(DESCRIPTION).write_text(f"{text}\n")


if __name__ == "__main__":
    main()
