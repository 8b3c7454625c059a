"""BFCL's verdict on an answer, as its own handler for OpenAI's format gives it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalkit.bfcl.check import fault_of, read_calls
from evalkit.errors import DefinitionError

if TYPE_CHECKING:
    from evalkit.types.generation import Response
    from evalkit.types.tool_case import ToolCase


def judge(sample: str, case: ToolCase, response: Response | None) -> tuple[str, str | None]:
    """A label, `right` among them, and the reason.

    As in the reference, an answer with a call that is not JSON counts as one without calls: wrong where calls
    are wanted, right where none is. `tool_format` and `spurious_call` show such answers.

    Raises:
        DefinitionError: the sample has no row of BFCL.
    """
    row = case.bfcl
    if row is None:
        raise DefinitionError(f"sample {sample!r} $.data.bfcl: is not there, but the rules `bfcl` need it.")
    calls = read_calls(response)
    if case.wants == "no_call":
        return ("spurious_call", f"{calls[0][0]} was called") if calls else ("right", None)
    if not calls:
        broken = response is not None and response.tool_calls
        return ("does_not_fit_schema", "a call is not JSON") if broken else ("missed_call", None)
    if case.wants == "any_call":
        return "right", None
    return fault_of(row.category, row.functions, row.answer, calls) or ("right", None)
