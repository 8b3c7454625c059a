"""Public kit for tests: a real server on loopback that plays a host, by script."""

from evalkit.testing.fake_provider import Behaviour, FakeProvider

__all__ = ["Behaviour", "FakeProvider"]
