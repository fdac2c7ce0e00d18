from .service import SandboxEnvironments as SandboxEnvironments
