"""One way out for every body: one line of compact JSON that survives an unquoted ``echo``.

Users' scripts run ``echo $RESPONSE`` without quotes, so the shell expands ``*`` and ``?`` in it as
file patterns and breaks it at line ends. Strings are therefore rewritten here, and only here.
"""

import json
import math
import re
from typing import Any

from starlette.responses import JSONResponse

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_PATTERNS = str.maketrans({"*": "×", "?": "."})


def shell_safe(value: Any) -> Any:
    """Return `value` with texts free of ``*``, ``?`` and control characters.

    ``*`` becomes ``×``, ``?`` becomes ``.``, a run of control characters one space. Keys are
    treated alike. NaN and infinity become None: JSON has neither.
    """
    if isinstance(value, str):
        return _CONTROL.sub(" ", value).translate(_PATTERNS)
    if isinstance(value, dict):
        return {shell_safe(str(key)): shell_safe(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [shell_safe(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


class CompactJSON(JSONResponse):
    """A body of one line, without spaces between its parts, sanitised by `shell_safe`."""

    def render(self, content: Any) -> bytes:
        """Return the bytes of the body."""
        text = json.dumps(
            shell_safe(content), separators=(",", ":"), ensure_ascii=False, allow_nan=False
        )
        return text.encode()
