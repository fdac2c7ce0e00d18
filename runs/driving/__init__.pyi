from .checkpoints import open_checkpointer as open_checkpointer
from .clean_up import CleanUp as CleanUp
from .copied_checkpoints import CopiedCheckpoints as CopiedCheckpoints
from .remote_dispatcher import RemoteDispatcher as RemoteDispatcher
from .run_driver import Builder as Builder
from .run_driver import DriveContext as DriveContext
from .run_files import LocalRunFiles as LocalRunFiles
from .single_run_worker import SingleRunWorker as SingleRunWorker
