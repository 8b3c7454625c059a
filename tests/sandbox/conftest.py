"""Every backend that runs on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from evalkit.errors import UsageError
from evalkit.sandbox import choose
from evalkit.sandbox.containers import ENGINES, usable

if TYPE_CHECKING:
    from evalkit.ports.sandbox import Sandbox

BACKENDS = ("bubblewrap", *(engine for engine in ENGINES if usable(engine) is None))
"""Those that are here; `test_engines` says why an engine is not."""


@pytest.fixture(scope="module", params=BACKENDS)
def isolated(request: pytest.FixtureRequest) -> Sandbox:
    """Each backend that isolates."""
    try:
        return choose(request.param)
    except UsageError as error:
        pytest.skip(f"not on this machine: {error}")
