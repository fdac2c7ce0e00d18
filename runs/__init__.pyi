from .figures import Figures as Figures
from .service import RunService as RunService
