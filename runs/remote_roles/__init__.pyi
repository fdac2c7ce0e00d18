from .caller import Play as Play
from .caller import RemoteRole as RemoteRole
from .run_notes import NoteReader as NoteReader
from .run_notes import put_run_note as put_run_note
from .worker import RoleWorker as RoleWorker
from .worker import RoleWorkerFence as RoleWorkerFence
