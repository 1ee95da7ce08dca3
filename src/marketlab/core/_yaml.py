"""YAML 1.2 in and out: duplicate keys refused, key order kept, `on` and `no` are words."""

import io
from pathlib import Path
from typing import Any

from marketlab.core._errors import ConfigError


def load_yaml(text: str, *, source: str = "YAML") -> dict[str, Any]:
    """Parse one YAML 1.2 mapping.

    Raises
    ------
    ConfigError with the line and column if the text is not valid, repeats a key or is no mapping.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        value = YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ConfigError(
            f"{source} is not valid YAML{where}: {(error.problem or 'syntax').splitlines()[0]}.",
            code="CONFIG-InvalidYaml",
            suggestion="Correct that line; a key may stand only once.",
        ) from None
    except YAMLError as error:
        raise ConfigError(f"{source} is not valid YAML: {error}.", code="CONFIG-InvalidYaml") from (
            None
        )
    if not isinstance(value, dict):
        raise ConfigError(
            f"{source} must hold a mapping of keys to values, not {type(value).__name__}.",
            code="CONFIG-InvalidYaml",
            suggestion="Start with `name: my_strategy`.",
        )
    return value


def load_yaml_file(path: Path) -> dict[str, Any]:
    """Parse the YAML mapping in a file; errors as in `load_yaml`."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path.name} is not UTF-8 text (byte {error.start}).", code="CONFIG-InvalidYaml"
        ) from None
    return load_yaml(text, source=path.name)


def dump_yaml(value: dict[str, Any]) -> str:
    """Return block-style YAML with keys in their given order, short lists inline."""
    from ruamel.yaml import YAML

    yaml: Any = YAML(typ="safe", pure=True)
    yaml.default_flow_style = None
    yaml.sort_base_mapping_type_on_output = False
    yaml.width = 4096
    buffer = io.StringIO()
    yaml.dump(value, buffer)
    return buffer.getvalue()
