from .kept_results import KeptResults as KeptResults
from .service import PLAN as PLAN
from .service import SandboxChecks as SandboxChecks
