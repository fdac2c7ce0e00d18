from .kept_results import KeptResults as KeptResults
from .service import SandboxChecks as SandboxChecks
