from .backend import Modal as Modal
from .setup import forget_set_ups as forget_set_ups
from .trees import ModalSandboxes as ModalSandboxes
