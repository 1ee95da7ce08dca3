"""Formulas as text: ``close / sma(close, 20) - 1``. What reads ahead cannot be written."""

import ast
import math
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from marketlab.core import ConfigError, did_you_mean
from marketlab.features._expression import (
    CLOCK,
    CONTEXT,
    SOURCES,
    Expression,
    Number,
    on_bars,
    primitive,
    source,
    walk,
)
from marketlab.features._expression import const as constant
from marketlab.features._indicator import INDICATORS, IndicatorDefinition
from marketlab.kernels import CALENDAR_FIELDS, CALENDAR_ZONES, PRIMITIVES

T = TypeVar("T")
Value = Expression | Number
Names = Mapping[str, Value]

_SHORT = {"abs": "absolute", "max": "maximum", "min": "minimum"}
_WORDS = {"calendar": {**CALENDAR_FIELDS, **CALENDAR_ZONES}}
"""Primitives whose numbers stand for words, which may be written in quotes."""

_FORWARD = ("shift", "lead", "ref", "forward", "future", "next", "bfill", "backfill", "centered")
_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
}
_COMPARISONS: dict[type[ast.cmpop], Callable[[Expression, Expression], Expression]] = {
    ast.Gt: lambda a, b: primitive("greater", a, b),
    ast.Lt: lambda a, b: primitive("greater", b, a),
    ast.GtE: lambda a, b: primitive("greater_equal", a, b),
    ast.LtE: lambda a, b: primitive("greater_equal", b, a),
    ast.Eq: lambda a, b: primitive("equal", a, b),
    ast.NotEq: lambda a, b: 1.0 - primitive("equal", a, b),
}
_GRAMMAR = (
    "A formula holds numbers, open high low close volume time close_time, names, + - * / **, "
    "comparisons, `a if condition else b`, and calls of primitives and indicators."
)


def parse_expression(text: str, names: Names | None = None, *, field: str = "") -> Expression:
    """Return the expression of a formula.

    Known names are the columns of a bar, ``NAME(…)`` for every primitive (inputs first, then its
    numbers) and every indicator (its numbers; a formula before them takes the place of the price
    it reads; ``.output`` chooses one of several), ``lag(x, n)``, ``change(x, n)``, and
    ``on("1w", x)`` for x on coarser bars, ``calendar(time, "hour", "new_york")``. A comparison
    is 1 or 0, and missing where a side is.

    Parameters
    ----------
    text : the formula.
    names : further names and what they stand for.
    field : path of the formula in its file, for the error.

    Raises
    ------
    ConfigError for anything else, with the place in the text; CONFIG-LooksForward for a formula
    that asks for later bars.
    """
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise _refuse(text, field, f"{error.args[0] if error.args else error}", None) from None
    return _Reader(text.strip(), names or {}, field).expression(tree.body)


class _Reader:
    def __init__(self, text: str, names: Names, field: str) -> None:
        self.text, self.names, self.field = text, names, field

    def expression(self, node: ast.expr) -> Expression:
        value = self.value(node)
        return value if isinstance(value, Expression) else constant(value)

    def value(self, node: ast.expr) -> Value:
        value = self._value(node)
        if not isinstance(value, Expression) and not _is_finite(value):
            raise self._error(node, "The number is too large or none at all.")
        return value

    def _value(self, node: ast.expr) -> Value:
        if isinstance(node, ast.Constant) and type(node.value) in (int, float):
            return node.value  # type: ignore[return-value]
        if isinstance(node, ast.Name):
            return self._name(node)
        if isinstance(node, ast.UnaryOp):
            return self._unary(node)
        if isinstance(node, ast.BinOp):
            return self._binary(node)
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            compare = _COMPARISONS.get(type(node.ops[0]))
            if compare is not None:
                return compare(self.expression(node.left), self.expression(node.comparators[0]))
        if isinstance(node, ast.BoolOp):
            return self._logical(node)
        if isinstance(node, ast.IfExp):
            parts = (node.test, node.body, node.orelse)
            return primitive("where", *(self.expression(part) for part in parts))
        if isinstance(node, ast.Call):
            return self._call(node, None)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Call):
            return self._call(node.value, node.attr)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id == CONTEXT[:-1]:
                return source(CONTEXT + node.attr)
            if node.value.id in INDICATORS.names():
                return self._indicator(node.value.id, [], {}, node.attr, node)
        raise self._error(node, _GRAMMAR)

    def _name(self, node: ast.Name) -> Value:
        if node.id in self.names:
            return self.names[node.id]
        if node.id in (*SOURCES, *CLOCK):
            return source(node.id)
        if node.id in INDICATORS.names():
            return self._indicator(node.id, [], {}, None, node)
        raise self._unknown(node, node.id, (*SOURCES, *CLOCK, *self.names))

    def _unary(self, node: ast.UnaryOp) -> Value:
        value = self.value(node.operand)
        if isinstance(node.op, ast.USub):
            return -value
        if isinstance(node.op, ast.UAdd):
            return value
        if isinstance(node.op, ast.Not):
            return primitive("equal", _as_expression(value), constant(0.0))
        raise self._error(node, _GRAMMAR)

    def _binary(self, node: ast.BinOp) -> Value:
        left, right = self.value(node.left), self.value(node.right)
        if isinstance(node.op, ast.Pow):
            return self._power(node, left, right)
        operate = _OPERATORS.get(type(node.op))
        if operate is None:
            raise self._error(node, _GRAMMAR)
        try:
            result: Value = operate(left, right)
        except ZeroDivisionError:
            raise self._error(node, "A number is divided by 0.") from None
        return result

    def _power(self, node: ast.BinOp, base: Value, exponent: Value) -> Value:
        if isinstance(base, Expression) and not isinstance(exponent, Expression):
            if exponent == 0.5:
                return primitive("sqrt", base)
            if isinstance(exponent, int) and 2 <= exponent <= 4:
                result = base
                for _ in range(exponent - 1):
                    result = result * base
                return result
        if not isinstance(base, Expression) and not isinstance(exponent, Expression):
            try:
                # As floats: whole numbers of any length could be asked for in a few letters.
                return math.pow(base, exponent)
            except (OverflowError, ValueError):
                raise self._error(node, "The number is too large or none at all.") from None
        raise self._error(node, "A power of a formula is ** 2, ** 3, ** 4 or ** 0.5.")

    def _logical(self, node: ast.BoolOp) -> Expression:
        name = "minimum" if isinstance(node.op, ast.And) else "maximum"
        zero = constant(0.0)
        # Truth of any number is that it is not 0, as in `where`.
        truths = [1.0 - primitive("equal", self.expression(v), zero) for v in node.values]
        result = truths[0]
        for truth in truths[1:]:
            result = primitive(name, result, truth)
        return result

    def _call(self, node: ast.Call, output: str | None) -> Value:
        if not isinstance(node.func, ast.Name):
            raise self._error(node, _GRAMMAR)
        name = _SHORT.get(node.func.id, node.func.id)
        if name == "on":
            return self._on(node)
        arguments = [self._argument(name, argument) for argument in node.args]
        options: dict[str, Value] = {}
        for keyword in node.keywords:
            if keyword.arg is None:
                raise self._error(node, _GRAMMAR)
            options[keyword.arg] = self._argument(name, keyword.value)
        if name in ("lag", "change"):
            return self._past(node, name, arguments, options)
        if name in PRIMITIVES.names() and output is None:
            wanted = PRIMITIVES.get(name).n_inputs
            # Some names are both: ema(x, n) is the primitive, ema(n) the indicator on closes.
            given = sum(isinstance(a, Expression) for a in arguments)
            if given or name not in INDICATORS.names():
                return self._primitive(node, name, arguments, options, wanted)
        if name in INDICATORS.names():
            return self._indicator(name, arguments, options, output, node)
        raise self._unknown(node, name, (*PRIMITIVES.names(), *INDICATORS.names(), *_SHORT))

    def _argument(self, name: str, node: ast.expr) -> Value:
        if name in _WORDS and isinstance(node, ast.Constant) and isinstance(node.value, str):
            words = _WORDS[name]
            if node.value not in words:
                raise self._unknown(node, node.value, tuple(words))
            return words[node.value]
        return self.value(node)

    def _primitive(
        self, node: ast.Call, name: str, arguments: list[Value], options: Names, wanted: int
    ) -> Expression:
        declared = [p.name for p in PRIMITIVES.get(name).parameters]
        inputs, numbers = arguments[:wanted], arguments[wanted:]
        if len(inputs) < wanted or len(numbers) > len(declared):
            takes = ", ".join(["x", "y", "z", "w"][:wanted] + declared)
            raise self._error(node, f"It takes {name}({takes}).")
        params = dict(zip(declared, numbers, strict=False))
        for key, value in options.items():
            if key in params or key not in declared:
                raise self._error(node, f"{name} takes the numbers {', '.join(declared)}, once.")
            params[key] = value
        plain = {key: self._number(node, name, key, value) for key, value in params.items()}
        return self._checked(
            node, lambda: primitive(name, *(_as_expression(x) for x in inputs), **plain)
        )

    def _past(self, node: ast.Call, name: str, arguments: list[Value], options: Names) -> Value:
        given = [*arguments[1:], *options.values()]
        is_odd = not arguments or len(given) > 1 or set(options) - {"bars"}
        if is_odd or (name == "lag" and not given):
            raise self._error(node, f"It takes {name}(x, bars), bars a whole number.")
        number = self._number(node, name, "bars", given[0] if given else 1)
        if not isinstance(number, int):
            raise self._error(node, f"It takes {name}(x, bars), bars a whole number.")
        if number == 0:
            raise self._error(node, f"{name}(x, 0) reads the bar itself; bars is 1 or more.")
        if number < 0:
            raise self._forward(node, f"{name}(…, {number})")
        x = _as_expression(arguments[0])
        return x.lag(number) if name == "lag" else x.change(number)

    def _on(self, node: ast.Call) -> Expression:
        period = node.args[0] if len(node.args) == 2 and not node.keywords else None
        if not isinstance(period, ast.Constant) or not isinstance(period.value, str):
            raise self._error(node, 'It takes on("1w", x): the period in quotes, then a formula.')
        text = period.value
        return self._checked(node, lambda: on_bars(text, self.expression(node.args[1])))

    def _indicator(
        self,
        name: str,
        arguments: list[Value],
        options: Names,
        output: str | None,
        node: ast.expr,
    ) -> Expression:
        definition = INDICATORS.get(name)
        replaced: Expression | None = None
        if arguments and isinstance(arguments[0], Expression):
            replaced, arguments = arguments[0], arguments[1:]
        declared = [p.name for p in definition.parameters if not p.is_column]
        if len(arguments) > len(declared):
            raise self._error(node, f"It takes {name}({', '.join(declared)}).")
        params: dict[str, Any] = dict(zip(declared, arguments, strict=False))
        for key, value in options.items():
            if key in params:
                raise self._error(node, f"{key} is given twice.")
            params[key] = value
        params = {key: self._number(node, name, key, v) for key, v in params.items()}
        built = self._checked(node, lambda: definition.build(definition.check(params)))
        chosen = output or (definition.output_names[0] if definition.is_single else None)
        if chosen is None or chosen not in built or (definition.is_single and output):
            raise self._error(node, f"{name} has {_outputs(definition)}.")
        return self._on_input(node, name, built[chosen], replaced)

    def _on_input(
        self, node: ast.expr, name: str, built: Expression, replaced: Expression | None
    ) -> Expression:
        if replaced is None or replaced.key == "close":
            return built
        takes_input = any(p.is_column for p in INDICATORS.get(name).parameters)
        if not takes_input:
            raise self._error(node, f"{name} reads whole bars, so it takes numbers only.")
        return substitute(built, "close", replaced)

    def _number(self, node: ast.expr, name: str, key: str, value: Any) -> Any:
        if isinstance(value, Expression):
            raise self._error(node, f"{key} of {name} must be a number, not a formula.")
        return int(value) if isinstance(value, float) and value.is_integer() else value

    def _checked(self, node: ast.expr, build: Callable[[], T]) -> T:
        try:
            return build()
        except ConfigError as error:
            if error.details.get("at") is not None:
                raise
            raise _refuse(
                self.text,
                self.field,
                str(error.message).rstrip("."),
                node,
                code=error.code,
                suggestion=error.suggestion or _GRAMMAR,
            ) from None

    def _forward(self, node: ast.expr, what: str) -> ConfigError:
        return _refuse(
            self.text,
            self.field,
            f"{what} looks forward: at a bar's close only that bar and earlier ones are known",
            node,
            code="CONFIG-LooksForward",
            suggestion="Write lag(x, bars) with bars of 1 or more; what is to be predicted is a "
            "label, not a feature.",
        )

    def _unknown(self, node: ast.expr, name: str, known: tuple[str, ...]) -> ConfigError:
        if name.lower() in _FORWARD:
            return self._forward(node, f"{name}(…)")
        hint = did_you_mean(name, known)
        return self._error(node, f"{name!r} is not known. {hint}", code="CONFIG-UnknownName")

    def _error(
        self, node: ast.expr, rule: str, *, code: str = "CONFIG-InvalidFormula"
    ) -> ConfigError:
        return _refuse(self.text, self.field, rule.rstrip("."), node, code=code)


def _is_finite(value: Number) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond every float
        return False


def _refuse(
    text: str,
    field: str,
    rule: str,
    node: ast.expr | None,
    *,
    code: str = "CONFIG-InvalidFormula",
    suggestion: str = _GRAMMAR,
) -> ConfigError:
    part = ast.get_source_segment(text, node) if node is not None else None
    where = f" at {part!r}" if part and part != text else ""
    return ConfigError(
        f"the formula {text!r} cannot be read{where}: {rule}.",
        code=code,
        field=field or "formula",
        value=text,
        suggestion=suggestion,
        details={"at": part or text},
    )


def _outputs(definition: IndicatorDefinition) -> str:
    if definition.is_single:
        return "one output; write it without a dot"
    return "the outputs " + ", ".join(f".{name}" for name in definition.output_names)


def _as_expression(value: Value) -> Expression:
    return value if isinstance(value, Expression) else constant(value)


def substitute(root: Expression, column: str, by: Expression) -> Expression:
    """Return `root` with every reading of the bar column `column` replaced by `by`."""
    done: dict[str, Expression] = {}
    for node in walk(root):
        if node.operation == "source":
            done[node.key] = by if node.key == column else node
        elif node.operation in ("const", "coarse"):
            done[node.key] = node
        else:
            inputs = [done[child.key] for child in node.inputs]
            done[node.key] = primitive(node.operation, *inputs, **dict(node.params))
    return done[root.key]


_INFIX = {"add": ("+", 1), "sub": ("-", 1), "mul": ("*", 2), "div": ("/", 2)}
_ATOM = 3


def format_expression(expression: Expression) -> str:
    """Return text that `parse_expression` reads back as the same expression."""
    return _format(expression)[0]


def _format(node: Expression) -> tuple[str, int]:
    """Return the text of a node and how tightly it binds."""
    if node.operation == "source":
        return node.key, _ATOM
    if node.operation == "const":
        value = dict(node.params)["value"]
        return repr(value), _ATOM if value >= 0 else 0
    if node.operation == "coarse" and node.inner is not None:
        period = node.key[3:].split(",", 1)[0]
        return f"on({period}, {_format(node.inner)[0]})", _ATOM
    if node.operation in _INFIX:
        sign, level = _INFIX[node.operation]
        left, right = (_format(child) for child in node.inputs)
        # Numbers fold when they meet, so a pair of them is written as a call.
        if any(child.operation != "const" for child in node.inputs):
            a = left[0] if left[1] >= level else f"({left[0]})"
            b = right[0] if right[1] > level else f"({right[0]})"
            return f"{a} {sign} {b}", level
    parts = [_format(child)[0] for child in node.inputs]
    parts += [f"{name}={value!r}" for name, value in node.params]
    return f"{node.operation}({', '.join(parts)})", _ATOM
