from .client import ONCE as ONCE
from .client import GitHub as GitHub
