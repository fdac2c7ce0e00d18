from .checkpoints import open_checkpointer as open_checkpointer
from .clean_up import CleanUp as CleanUp
from .copied_checkpoints import CopiedCheckpoints as CopiedCheckpoints
from .remote_dispatcher import RemoteDispatch as RemoteDispatch
from .run_driver import Builder as Builder
from .run_driver import Workshop as Workshop
from .run_files import LocalRunFiles as LocalRunFiles
from .single_run_worker import SoleDrive as SoleDrive
