from .lazy_sandboxes import LazySandboxes as LazySandboxes
