from .client import ModalClient as ModalClient
from .trees import ModalSandboxes as ModalSandboxes
