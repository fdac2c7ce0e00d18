from .hints import Hint as Hint
from .hints import read_hints as read_hints
