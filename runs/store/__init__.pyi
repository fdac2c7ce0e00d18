from .protocol import Store as Store
from .supervision import supervise as supervise
