"""Public kit for tests: a real server on loopback that plays a host, by script."""

from evalkit.testing.fake_provider import Behaviour, FakeProvider
from evalkit.testing.tool_faults import FAULTS, ToolFault, broken
from evalkit.testing.trajectories import calling, plays

__all__ = ["FAULTS", "Behaviour", "FakeProvider", "ToolFault", "broken", "calling", "plays"]
