"""The command line: words in, tables or one JSON document out, no rules of its own.

Nothing heavy is imported here or in the modules of this folder: `marketlab --help` must answer at
once. Every command imports what it needs when it runs.
"""

from marketlab.interfaces.cli._app import app, main, run

__all__ = ["app", "main", "run"]
