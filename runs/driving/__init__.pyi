from .clean_up import CleanUp as CleanUp
from .graph_recorder import GraphRecorder as GraphRecorder
from .remote_dispatcher import RemoteDispatcher as RemoteDispatcher
from .run_driver import Builder as Builder
from .run_driver import DriveContext as DriveContext
from .run_files import LocalRunFiles as LocalRunFiles
from .run_folder_files import threads_file as threads_file
from .single_run_worker import SingleRunWorker as SingleRunWorker
