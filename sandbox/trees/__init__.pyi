from .lazy_sandboxes import LazySandboxes as LazySandboxes
from .local_trees import LocalSandboxes as LocalSandboxes
