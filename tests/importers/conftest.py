"""The small suite that the end-to-end tests use."""

from __future__ import annotations

from tests.end_to_end.conftest import make_suite

__all__ = ["make_suite"]
