"""The folder of a run on the Volume, as the function that drives the run uses it."""

from graph import Base, Environment
from runs.model import RESUMABLE, Run
from runs.shared import Mount
from runs.store import Store, is_driven_elsewhere, number_call
from sandbox import Sandboxes
from sandbox.tree import LIVE_TREES, LocalWorkspaces
from wiring.deployed.deployed_records import DeployedRecords
from wiring.deployed.role_starts import RoleStarts


class SharedWorkspaces(LocalWorkspaces):
    """Folders of runs that other functions see; the number of a role call is in the record.

    With a role's tree its container is begun.
    """

    def __init__(
        self,
        mount: Mount,
        store: Store,
        records: DeployedRecords,
        sandboxes: Sandboxes,
        starts: RoleStarts,
    ) -> None:
        super().__init__(runs=mount.root / "runs", sandboxes=sandboxes)
        self._mount = mount
        self._store = store
        self._records = records
        self._starts = starts

    def begin_plan_tree(self, run_id: str) -> None:
        self._starts.begin("planner")
        super().begin_plan_tree(run_id)

    def begin_live_tree(self, run_id: str, base: Base, environment: Environment) -> None:
        self._starts.begin("coder")
        super().begin_live_tree(run_id, base, environment)

    def begin_review_tree(
        self, run_id: str, base: Base, environment: Environment, step: int
    ) -> None:
        self._starts.begin("reviewer")
        super().begin_review_tree(run_id, base, environment, step)

    async def next_fence(self, run_id: str) -> int:
        """Written to the folder too, which is committed as the role is called.

        A role that sees it sees all that it was given.
        """
        run = await number_call(self._store, run_id)
        await self._records.tell_role(run)
        await self._mount.write({f"runs/{run_id}/fence": b"%d" % run.fence})
        return run.fence

    async def close(self, run_id: str, *, resumable: bool = False) -> None:
        """One that lost its run to another process leaves that one's sandboxes alone."""
        if not await is_driven_elsewhere(self._store, run_id):
            await super().close(run_id, resumable=resumable)


def kept_trees(run: Run | None) -> tuple[str, ...]:
    """Those that may be kept of a run that nobody drives."""
    kept = run is not None and (run.status == "waiting" or run.status in RESUMABLE)
    return LIVE_TREES if kept else ()
