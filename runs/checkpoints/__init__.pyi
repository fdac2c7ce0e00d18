from .copied_checkpoints import CopiedCheckpoints as CopiedCheckpoints
from .local_checkpoints import LocalCheckpoints as LocalCheckpoints
from .local_checkpoints import open_checkpointer as open_checkpointer
from .postgres_checkpoints import PostgresCheckpoints as PostgresCheckpoints
from .run_saver import Checkpoints as Checkpoints
from .run_saver import LogBarrier as LogBarrier
from .run_saver import RunSaver as RunSaver
