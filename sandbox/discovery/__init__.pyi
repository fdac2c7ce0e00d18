from .declared_env import settable as settable
from .hints import Hint as Hint
from .hints import read_hints as read_hints
