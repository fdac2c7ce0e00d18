"""Changes as files of a run's folder, each known by its digest."""

import hashlib

from graph.errors import StoreDamaged
from graph.files.atomic_file import write_whole
from graph.files.run_folder import RunFolder
from graph.values import ChangeMaker, ChangeRef


def store_change(run: RunFolder, step: int, role: ChangeMaker, patch: bytes) -> ChangeRef:
    """Keep a change as a whole file and name it by its digest."""
    ref = ChangeRef(step=step, role=role, digest=digest(patch))
    write_whole(run.patch(ref), patch)
    return ref


def load_change(run: RunFolder, ref: ChangeRef) -> bytes:
    """The bytes of a kept change. Raises StoreDamaged: missing, or not what was handed over."""
    path = run.patch(ref)
    try:
        patch = path.read_bytes()
    except OSError as error:
        raise StoreDamaged(f"The change {path.name} cannot be read: {error.strerror}.") from error
    if digest(patch) != ref.digest:
        raise StoreDamaged(f"The change {path.name} is not the one with digest {ref.digest}.")
    return patch


def digest(data: bytes) -> str:
    """How a change is named in state: `sha256:` and 64 hexadecimal digits."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
