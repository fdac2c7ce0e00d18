from .backend import Modal as Modal
from .trees import ModalSandboxes as ModalSandboxes
