"""The REST interface, with both spellings, field names and statuses that users' scripts read."""

from marketlab.interfaces.rest._app import create_app
from marketlab.interfaces.rest._response import CompactJSON, shell_safe
from marketlab.interfaces.rest._server import Settings, run_server

__all__ = ["CompactJSON", "Settings", "create_app", "run_server", "shell_safe"]
