"""Who may call: the token, if one is set, and nobody else's web page."""

import secrets
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from marketlab.interfaces._envelope import envelope
from marketlab.interfaces.rest._response import CompactJSON

_OPEN = ("/health", "/api/v1/health")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Guard:
    """Refuses calls without the token, and calls that a foreign web page makes.

    A page that a person visits can send requests to this machine. It cannot hide where it comes
    from (``Origin``), and a name that was pointed at this machine afterwards shows in ``Host``.
    Without a token only loopback names are answered.
    """

    def __init__(self, app: ASGIApp, *, token: str | None) -> None:
        self.app = app
        self.token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a refused call, hand on any other."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        refusal = self._refusal(Request(scope))
        await (refusal or self.app)(scope, receive, send)

    def _refusal(self, request: Request) -> CompactJSON | None:
        host = _name_of(f"//{request.headers.get('host', '')}")
        origin = request.headers.get("origin")
        if self.token is None and host not in _LOOPBACK:
            return _refused(403, "AUTH-ForeignHost", f"the host name {host!r} is not answered.")
        if origin is not None and _name_of(origin) != host:
            return _refused(403, "AUTH-ForeignOrigin", f"pages of {origin!r} may not call this.")
        if self.token is None or request.url.path in _OPEN:
            return None
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and secrets.compare_digest(
            given.strip().encode(), self.token.encode()
        ):
            return None
        return _refused(
            401,
            "AUTH-TokenNeeded",
            "this server needs a token.",
            "Send `Authorization: Bearer TOKEN` with the token that it was started with.",
        )


def _name_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _refused(status: int, code: str, message: str, suggestion: str | None = None) -> CompactJSON:
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
    body = envelope(code=code, message=message, suggestion=suggestion)
    return CompactJSON(body, status_code=status, headers=headers)
