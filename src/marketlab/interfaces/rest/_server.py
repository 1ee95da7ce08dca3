"""Starts the server: checks first, then one socket, then workers, then calls."""

import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from marketlab.core import ConfigError, TransientError
from marketlab.interfaces import usecases
from marketlab.interfaces.rest._app import create_app

if TYPE_CHECKING:
    from marketlab.campaigns import Workspace

LOOPBACK = ("127.0.0.1", "localhost", "::1")
_SHORTEST_TOKEN = 16


@dataclass(frozen=True)
class Settings:
    """Where to listen and whom to answer.

    ``workers`` None means the usable cores, at most 8. ``compatibility="v15"`` lets runs with
    degenerate labels complete with that verdict instead of being refused.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    workers: int | None = None
    compatibility: str | None = None

    def check(self) -> None:
        """Refuse to listen beyond this machine without a token.

        Raises
        ------
        ConfigError (``SERVER-TokenRequired``, ``SERVER-TokenTooShort``, ``SERVER-Compatibility``).
        """
        if self.compatibility not in (None, "v15"):
            raise ConfigError(
                f"the only compatibility is 'v15'; received {self.compatibility!r}.",
                code="SERVER-Compatibility",
                field="compatibility",
                value=self.compatibility,
                suggestion="Leave it out for strict runs.",
            )
        if self.token is None and self.host not in LOOPBACK:
            raise ConfigError(
                f"listening on {self.host!r} lets other machines in, and there is no token.",
                code="SERVER-TokenRequired",
                field="host",
                value=self.host,
                suggestion="Give --token or set MARKETLAB_TOKEN, or listen on 127.0.0.1.",
            )
        if self.token is not None and len(self.token) < _SHORTEST_TOKEN:
            raise ConfigError(
                f"a token has at least {_SHORTEST_TOKEN} characters; this one has "
                f"{len(self.token)}.",
                code="SERVER-TokenTooShort",
                field="token",
                suggestion="Make one with `python -c 'import secrets; "
                "print(secrets.token_urlsafe(24))'`.",
            )


def open_socket(host: str, port: int) -> socket.socket:
    """Return the bound socket to listen on; nothing else is started before.

    Raises
    ------
    TransientError (``SERVER-PortInUse``), ConfigError for an address that is not of this machine.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _bad_address(host, error) from None
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(128)
    except PermissionError:
        listener.close()
        raise ConfigError(
            f"this user may not listen on port {port}.",
            code="SERVER-PortRefused",
            field="port",
            value=port,
            suggestion="Give another one, for example --port 8000.",
        ) from None
    except OSError as error:
        listener.close()
        import errno

        if error.errno != errno.EADDRINUSE:
            raise _bad_address(host, error) from None
        raise TransientError(
            f"port {port} on {host} is in use by another program.",
            code="SERVER-PortInUse",
            field="port",
            value=port,
            suggestion=f"Stop that program, or give another port: --port {port + 1}.",
        ) from None
    return listener


def _bad_address(host: str, error: OSError) -> ConfigError:
    return ConfigError(
        f"this machine cannot listen on {host!r}: {error.strerror}.",
        code="SERVER-BadAddress",
        field="host",
        value=host,
        suggestion="Use 127.0.0.1, or 0.0.0.0 with a token.",
    )


def run_server(
    workspace: "Workspace", settings: Settings, *, on_ready: Callable[[str], None]
) -> None:
    """Serve until Ctrl-C or SIGTERM; what still runs then keeps a checkpoint.

    Raises
    ------
    ConfigError, TransientError before anything is started; NotFoundError without a workspace.
    """
    import uvicorn

    settings.check()
    workspace.require()
    listener = open_socket(settings.host, settings.port)
    try:
        app = create_app(
            lambda: usecases.open_session(
                workspace, workers=settings.workers, compatibility=settings.compatibility
            ),
            token=settings.token,
            after_close=lambda: usecases.recover(workspace),
        )
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=5,
            server_header=False,
        )
        on_ready(
            f"marketlab serves http://{settings.host}:{listener.getsockname()[1]}/api/v1 for "
            f"{workspace.root}. Ctrl-C ends it."
        )
        uvicorn.Server(config).run(sockets=[listener])
    finally:
        listener.close()
