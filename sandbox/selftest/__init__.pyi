from .modal import try_modal as try_modal
from .trial import TrialResult as TrialResult
