"""A Modal control plane on loopback, for tests that run the real client and the real containers."""

from tests.modal_plane.client import connected, deploy, run
from tests.modal_plane.plane import Plane, modal_plane

__all__ = ["Plane", "connected", "deploy", "modal_plane", "run"]
