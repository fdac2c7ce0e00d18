from .atomic_file import write_whole as write_whole
from .file_lock import locked as locked
from .file_lock import locked_if_free as locked_if_free
from .file_lock import try_lock as try_lock
from .run_folder import RunFolder as RunFolder
