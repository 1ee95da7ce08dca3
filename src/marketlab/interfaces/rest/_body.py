"""Request bodies: JSON objects, whatever content type the caller states.

``curl -d`` states a form where the scripts mean JSON, so the type is not asked for.
"""

import json
from typing import Any, TypeVar

from starlette.requests import Request

from marketlab.core import ConfigError, FrozenConfig, from_mapping

ConfigT = TypeVar("ConfigT", bound=FrozenConfig)

_MOST_BYTES = 1_048_576


class MalformedBodyError(ConfigError):
    """A body that is no JSON object, or whose fields are not those of the call."""

    http_status = 422
    default_code = "REQUEST-MalformedBody"


async def read_body(request: Request, cls: type[ConfigT]) -> ConfigT:
    """Return the body as `cls`; an empty body counts as ``{}``.

    Raises
    ------
    MalformedBodyError naming every unknown key, missing field and wrong type.
    """
    received = await _bytes(request)
    try:
        value = json.loads(received or b"{}", parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise MalformedBodyError(
            f"the body is not valid JSON: {error}.", suggestion="Send one JSON object."
        ) from None
    if not isinstance(value, dict):
        raise MalformedBodyError(
            f"the body must be a JSON object, not {type(value).__name__}.",
            suggestion='For example {"strategy_name": "v15_rsi_only"}.',
        )
    try:
        return from_mapping(cls, value, source="body")
    except ConfigError as error:
        raise MalformedBodyError(
            error.message,
            code=error.code,
            field=error.field,
            value=error.value,
            suggestion=error.suggestion,
            details=error.details,
        ) from None


async def _bytes(request: Request) -> bytes:
    received = bytearray()
    async for part in request.stream():
        received += part
        if len(received) > _MOST_BYTES:
            raise MalformedBodyError(f"the body is larger than {_MOST_BYTES} bytes.")
    return bytes(received)


def _refuse(word: str) -> Any:
    raise ValueError(f"it holds {word}, which JSON does not have")
