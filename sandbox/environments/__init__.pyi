from .records import LocalEnvironmentRecords as LocalEnvironmentRecords
from .service import SandboxEnvironments as SandboxEnvironments
