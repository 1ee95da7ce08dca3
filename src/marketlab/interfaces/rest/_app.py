"""Puts calls, errors and guard together around one opened session."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager

from fastapi import FastAPI

from marketlab import __version__
from marketlab.interfaces import usecases
from marketlab.interfaces.rest._errors import add_error_handlers
from marketlab.interfaces.rest._guard import Guard
from marketlab.interfaces.rest._pump import Pump
from marketlab.interfaces.rest._response import CompactJSON
from marketlab.interfaces.rest._routes import health, router

log = logging.getLogger("marketlab.rest")

OpenSession = Callable[[], AbstractContextManager[usecases.Session]]


def create_app(
    open_session: OpenSession,
    *,
    token: str | None = None,
    after_close: Callable[[], object] | None = None,
) -> FastAPI:
    """Return the application.

    Parameters
    ----------
    open_session : opens the session that all calls share; entered at the start, left at the end.
    token : what callers must send as ``Authorization: Bearer``; None lets everybody on this
        machine in.
    after_close : called when the session was left.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with open_session() as session:
            app.state.session = session
            for operation_id in session.service.recover():
                log.warning("%s was cut short; it is failed now and can be resumed", operation_id)
            with Pump(session) as pump:
                app.state.pump = pump
                yield
        if after_close is not None:
            after_close()

    app = FastAPI(
        title="marketlab",
        version=__version__,
        lifespan=lifespan,
        default_response_class=CompactJSON,
    )
    app.include_router(router, prefix="/api/v1")
    app.add_api_route("/health", health, response_class=CompactJSON, include_in_schema=False)
    add_error_handlers(app)
    app.add_middleware(Guard, token=token)
    return app
