"""Compare the same open weights on different hosts, honestly."""

__version__ = "0.1.0"
