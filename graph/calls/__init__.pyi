from .cancellation import acquire as acquire
from .cancellation import end_tasks as end_tasks
from .cancellation import settle as settle
from .cancellation import to_the_end as to_the_end
from .cancellation import uninterrupted as uninterrupted
from .retry_policy import Pauses as Pauses
from .retry_policy import RetryPolicy as RetryPolicy
from .retry_policy import retry as retry
