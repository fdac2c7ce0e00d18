from .client import Boxes as Boxes
from .trees import ModalSandboxes as ModalSandboxes
