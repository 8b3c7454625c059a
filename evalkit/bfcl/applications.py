"""The eight simulated applications of BFCL's multi-turn categories, called by table.

The classes are the package's own. A call is looked up among their public methods and made with the
arguments as they are; nothing that a model wrote is evaluated. Arguments that would cost without bound are
refused.
"""

from __future__ import annotations

import ast
import copy
import decimal
import inspect
import json
from typing import TYPE_CHECKING, Any, NamedTuple

from evalkit.bfcl.package import application
from evalkit.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


class Source(NamedTuple):
    """Files of one application: the class and the documents of its functions."""

    module: str
    documents: str
    has_state: bool = True


CLASSES: dict[str, Source] = {
    "GorillaFileSystem": Source("gorilla_file_system", "gorilla_file_system"),
    "MathAPI": Source("math_api", "math_api", has_state=False),
    "MessageAPI": Source("message_api", "message_api"),
    "TwitterAPI": Source("posting_api", "posting_api"),
    "TicketAPI": Source("ticket_api", "ticket_api"),
    "TradingBot": Source("trading_bot", "trading_bot"),
    "TravelAPI": Source("travel_booking", "travel_booking"),
    "VehicleControlAPI": Source("vehicle_control", "vehicle_control"),
}

LARGEST_NUMBER = 10**15
LARGEST_POWER = 1000
LONGEST_TEXT = 50_000
_POWERS = {"exponent", "precision", "decimal_places"}
_FORBIDDEN = {"kill", "exit", "quit", "remove", "unlink", "popen", "Popen", "run"}
"""Names that the reference refuses to call."""


class Applications:
    """The applications of one conversation, with their state.

    Args:
        names: which of `CLASSES`.
        start: first state by class.
        long_context: fill the state with much that does not matter.
    """

    def __init__(self, names: Sequence[str], start: Mapping[str, Any], *, long_context: bool = False) -> None:
        self._made: dict[str, Any] = {}
        self._methods: dict[str, Callable[..., Any]] = {}
        for name in names:
            if name not in CLASSES:
                raise DefinitionError(f"BFCL has no application {name!r}; expected {', '.join(CLASSES)}.")
            made = application(CLASSES[name].module, name)()
            if CLASSES[name].has_state:
                made._load_scenario(copy.deepcopy(dict(start.get(name, {}))), long_context=long_context)
            self._made[name] = made
            self._methods |= {
                key: method for key, method in inspect.getmembers(made, inspect.ismethod) if key[0] != "_"
            }

    def call(self, name: str, arguments: Mapping[str, Any], values: Sequence[Any] = ()) -> str:
        """Call a function and give its result as the model is shown it; what goes wrong is a result too."""
        try:
            return _rendered(self._run(name, values, arguments))
        except Exception as error:  # noqa: BLE001  # whatever the application does with a model's arguments
            return f"Error during execution: {error}"

    def _run(self, name: str, values: Sequence[Any], arguments: Mapping[str, Any]) -> Any:
        if name in _FORBIDDEN:
            raise ValueError(f"Function call {name} is not allowed.")
        method = self._methods.get(name)
        if method is None:
            raise ValueError(f"name {name!r} is not defined")
        refused = _refused(method, arguments)
        if refused is not None:
            raise ValueError(refused)
        with decimal.localcontext():  # some set its precision
            return method(*values, **arguments)

    def difference(self, wanted: Applications) -> str | None:
        """Where the public state differs from the wanted one: class and attribute; None if it does not."""
        for name, right in wanted._made.items():
            mine = vars(self._made[name])
            for attribute, value in vars(right).items():
                if attribute.startswith("_"):
                    continue
                try:
                    differs = mine.get(attribute) != value
                except RecursionError:  # a folder that was copied into itself
                    differs = True
                if differs:
                    return f"{name}.{attribute}"
        return None


def _rendered(result: Any) -> str:
    if isinstance(result, str):
        return result
    if isinstance(result, dict):
        try:
            return json.dumps(result)
        except (TypeError, ValueError):
            return str(result)
    return str(result)


def _refused(method: Callable[..., Any], arguments: Mapping[str, Any]) -> str | None:
    """Why a call would cost too much, or None."""
    numeric = getattr(method, "__self__", None).__class__.__name__ == "MathAPI"
    declared = inspect.signature(method).parameters
    for name, value in arguments.items():
        if _is_too_large(value):
            return f"argument {name!r} is too large"
        if name in _POWERS and isinstance(value, int) and abs(value) > LARGEST_POWER:
            return f"argument {name!r} is too large"
        # "text" * 10**15 would be a petabyte
        wanted = declared[name].annotation if name in declared else None
        if numeric and wanted in {int, float} and not isinstance(value, int | float):
            return f"argument {name!r} must be a number"
    return None


def _is_too_large(value: Any) -> bool:
    pending = [value]
    while pending:
        one = pending.pop()
        if isinstance(one, int | float) and abs(one) > LARGEST_NUMBER:
            return True
        if isinstance(one, str) and len(one) > LONGEST_TEXT:
            return True
        if isinstance(one, list):
            pending += one
        elif isinstance(one, dict):
            pending += one.values()
    return False


class Written(NamedTuple):
    """A call as the package's accepted answers write it."""

    name: str
    values: tuple[Any, ...]
    arguments: dict[str, Any]


def read_call(text: str) -> Written:
    """A call such as `cd(folder='docs')` with literal arguments.

    Raises:
        DefinitionError: it is anything else.
    """
    try:
        node = ast.parse(text.strip(), mode="eval").body
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            values = tuple(ast.literal_eval(value) for value in node.args)
            arguments = {str(k.arg): ast.literal_eval(k.value) for k in node.keywords}
            return Written(node.func.id, values, arguments)
    except (SyntaxError, ValueError):
        pass
    raise DefinitionError(f"BFCL: {text[:80]!r} is no call with literal arguments.")
