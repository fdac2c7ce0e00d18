from .kept_runs import is_driven_elsewhere as is_driven_elsewhere
from .kept_runs import is_wanted as is_wanted
from .kept_runs import known_runs as known_runs
from .kept_runs import live_runs as live_runs
from .protocol import Store as Store
from .role_calls import number_call as number_call
from .supervision import supervise as supervise
