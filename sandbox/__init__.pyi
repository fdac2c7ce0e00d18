from .choose_backend import Wanted as Wanted
from .choose_backend import choose as choose
from .doctor import examine as examine
