from .atomic_file import write_whole as write_whole
from .change_patch import digest as digest
from .change_patch import load_change as load_change
from .change_patch import store_change as store_change
from .file_lock import locked as locked
from .file_lock import locked_if_free as locked_if_free
from .file_lock import try_lock as try_lock
from .run_folder import RunFolder as RunFolder
