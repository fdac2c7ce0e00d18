"""Set-up of trees that begin with a pull request's head.

They get what the trusted base's set-up left. Where the head touches what set-up reads, it is made
anew for that run alone, without secrets; of a fork's head also without a network.
"""

from typing import Final

from graph import Base, RunFolder
from graph.errors import SandboxError
from sandbox.core.protocol import TreeSpec
from sandbox.setup.invalidation import is_read

_FORK_NOTE: Final = "The pull request comes from a fork, so that its set-up has no network."
_MOST_NAMED: Final = 5


def load_ground(run: RunFolder, base: Base) -> bytes:
    """Heads of a patch from the trusted base to the base, empty where these are one. Blocks."""
    if base.trusted is None:
        return b""
    path = run.ground_paths(base)
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise SandboxError(f"There is no file {path.name}: the run has no base.") from None


def ground_notes(run: RunFolder, base: Base) -> tuple[str, ...]:
    """What a reader should know of a fork's set-up, a sentence each. Blocks."""
    if not is_offline(base):
        return ()
    paths = load_ground(run, base).decode(errors="replace").replace("+++ ", "").splitlines()
    read = [path for path in paths if is_read(path, frozenset())][:_MOST_NAMED]
    if not read:
        return ()
    named = ", ".join(f"`{path}`" for path in read)
    return (f"{_FORK_NOTE} It changes what set-up reads: {named}.",)


def is_offline(base: Base) -> bool:
    """Whether set-up of these files reaches no host: nobody with a right to push wrote them.

    A fork that the service's own account opened the pull request from holds what it wrote itself.
    """
    return base.pull is not None and base.pull.fork and not base.pull.ours


def may_do_without(spec: TreeSpec) -> bool:
    """Whether what the trusted base's set-up left will do where the tree's own set-up fails.

    A change that its own set-up fails on is told so.
    """
    return spec.base.trusted is not None and (spec.change is None or is_offline(spec.base))
