"""Errors of the record of runs."""

from graph.errors.base import CodingAgentError


class StoreError(CodingAgentError):
    """Raised when the record of runs cannot be read or written."""

    code = "store_error"


class StoreLocked(StoreError):
    """Raised when another process holds the store's lock too long."""

    code = "store_locked"
    default_hint = "End the program that holds it open, such as a database browser or a backup."


class StoreFull(StoreError):
    """Raised when there is no space left for the store."""

    code = "store_full"
    default_hint = "Free space on the disk that holds CODING_AGENT_DATA_DIR."


class StoreDamaged(StoreError):
    """Raised when the store's file is not readable; nothing is overwritten."""

    code = "store_damaged"
    default_hint = "Restore the file from a backup, or move it away."


class StoreUnavailable(StoreError):
    """Raised when a store that is elsewhere does not answer, after all tries."""

    code = "store_unavailable"
    default_hint = "See https://status.modal.com, then try again or resume the run."


class DataFolderUnusable(StoreError):
    """Raised when the folder of all state cannot be made or written."""

    code = "data_folder_unusable"
    default_hint = "Set CODING_AGENT_DATA_DIR to a folder that you may write."


class StoreStale(StoreError):
    """Raised when a shared folder does not show what another function has handed over."""

    code = "store_stale"
    default_hint = "Resume the run; where it happens again, see https://status.modal.com."


class VersionChanged(StoreError):
    """Raised when a run was begun by a version whose state this one cannot carry on."""

    code = "version_changed"
    default_hint = "Resume the run with the release that began it, or start a new one."
