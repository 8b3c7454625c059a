"""Public kit for tests: a real server on loopback that plays a host, by script."""

from evalkit.testing.fake_judge import Asked, asked, judging, verdict
from evalkit.testing.fake_provider import Behaviour, FakeProvider
from evalkit.testing.tool_faults import FAULTS, ToolFault, broken
from evalkit.testing.trajectories import calling, plays

__all__ = [
    "FAULTS",
    "Asked",
    "Behaviour",
    "FakeProvider",
    "ToolFault",
    "asked",
    "broken",
    "calling",
    "judging",
    "plays",
    "verdict",
]
