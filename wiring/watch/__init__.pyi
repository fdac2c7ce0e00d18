from .watching import OpenWatch as OpenWatch
from .watching import Seen as Seen
from .watching import open_watch as open_watch
