from .act import Act as Act
from .delivery import EVENTS as EVENTS
from .delivery import read_act as read_act
from .issue_prompt import write_prompt as write_prompt
from .status_comment import RunStatus as RunStatus
from .status_comment import is_ours as is_ours
from .status_comment import write_comment as write_comment
from .status_comment import write_note as write_note
