from .records import LocalEnvironmentRecords as LocalEnvironmentRecords
from .records import kept_prefix as kept_prefix
from .service import SandboxEnvironments as SandboxEnvironments
