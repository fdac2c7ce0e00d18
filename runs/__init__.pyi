from .service import RunService as RunService
