from .caller import Play as Play
from .caller import RemoteRole as RemoteRole
from .worker import RoleWorker as RoleWorker
from .worker import RoleWorkerFence as RoleWorkerFence
