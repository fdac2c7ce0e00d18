from .forge import ONCE as ONCE
from .forge import Forge as Forge
from .repository_address import is_loopback as is_loopback
from .repository_address import parse as parse
