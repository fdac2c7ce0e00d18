from .client import Claude as Claude
