"""Every error leaves in the one documented envelope."""

import logging
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request

from marketlab.core import MarketLabError, NotFoundError
from marketlab.interfaces._envelope import envelope, error_envelope
from marketlab.interfaces.rest._response import CompactJSON

log = logging.getLogger("marketlab.rest")


def add_error_handlers(app: FastAPI) -> None:
    """Register the handlers."""
    app.add_exception_handler(MarketLabError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)


def _ours(_request: Request, error: Exception) -> CompactJSON:
    assert isinstance(error, MarketLabError)
    body = error_envelope(error)
    if isinstance(error, NotFoundError) and error.code == "OPERATION-NotFound":
        # A script polls until it reads completed or failed; an id nobody knows must end its loop.
        body["data"] = {"status": "failed", "error": error.message}
    return CompactJSON(body, status_code=error.http_status)


def _invalid(_request: Request, error: Exception) -> CompactJSON:
    assert isinstance(error, RequestValidationError)
    found: list[dict[str, Any]] = [
        {
            "field": ".".join(str(part) for part in item["loc"][1:]),
            "message": item["msg"],
            "code": "REQUEST-Invalid",
            "value": repr(item.get("input"))[:120],
        }
        for item in error.errors()
    ]
    first = found[0]
    body = envelope(
        code="REQUEST-Invalid",
        message=f"{first['field']}: {first['message']}; received {first['value']}.",
        context={"field": first["field"], "value": first["value"], "failure_class": "config"},
        details={"errors": found},
    )
    return CompactJSON(body, status_code=422)


def _http(request: Request, error: Exception) -> CompactJSON:
    assert isinstance(error, HTTPException)
    words = {
        404: ("REQUEST-NotFound", f"there is no call {request.method} {request.url.path}."),
        405: ("REQUEST-MethodNotAllowed", f"{request.method} is not allowed here."),
    }
    code, message = words.get(error.status_code, ("REQUEST-Refused", str(error.detail)))
    body = envelope(code=code, message=message, suggestion="The calls are listed at /docs.")
    return CompactJSON(body, status_code=error.status_code, headers=error.headers)


def _unexpected(request: Request, error: Exception) -> CompactJSON:
    log.error("%s %s", request.method, request.url.path, exc_info=error)
    body = envelope(
        code="SYSTEM-Unexpected",
        message=f"{type(error).__name__}: {error}",
        suggestion="This is a mistake in marketlab; the server's log has the traceback.",
    )
    return CompactJSON(body, status_code=500)
