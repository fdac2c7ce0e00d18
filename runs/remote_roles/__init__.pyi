from .caller import Play as Play
from .caller import RemoteRole as RemoteRole
from .worker import DeskFence as DeskFence
from .worker import RoleDesk as RoleDesk
