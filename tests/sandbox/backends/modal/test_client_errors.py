"""What Modal's errors mean here, and the names that it takes."""

import modal.exception
import pytest

from graph.errors import SandboxError, SandboxLost, SandboxUnavailable
from sandbox.backends.modal.errors import MODAL_ERRORS, map_error
from sandbox.backends.modal.trees import sandbox_name


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (modal.exception.AuthError("no"), SandboxUnavailable),
        (modal.exception.PermissionDeniedError("no"), SandboxUnavailable),
        (modal.exception.ResourceExhaustedError("full"), SandboxUnavailable),
        (modal.exception.RemoteError("image build failed"), SandboxUnavailable),
        (modal.exception.NotFoundError("gone"), SandboxLost),
        (modal.exception.SandboxTerminatedError("ended"), SandboxLost),
        (modal.exception.ConflictError("finished"), SandboxLost),
        (modal.exception.ConnectionError("down"), SandboxLost),
        (TimeoutError(), SandboxLost),
    ],
)
def test_modal_s_errors_are_ours(error: Exception, expected: type[SandboxError]) -> None:
    assert isinstance(error, MODAL_ERRORS)
    assert type(map_error(error)) is expected
    assert str(error) in map_error(error).message


@pytest.mark.parametrize("run_id", ["01k9z3v5c8q2w4e6r8t0y1u3i5", "x" * 60, "a b/c", ""])
def test_a_name_is_one_that_modal_takes(run_id: str) -> None:
    name = sandbox_name(run_id, "validate-0123abcd")
    assert len(name) < 64
    assert name.endswith("-validate-0123abcd")
    assert name != sandbox_name(run_id + "1", "validate-0123abcd")
    assert all(letter.isalnum() or letter in "-_." for letter in name)
    with pytest.raises(ValueError, match="not a name of a tree"):
        sandbox_name(run_id, "../live")
