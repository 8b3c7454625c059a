"""Runs in the formats of other tools: one module for each format.

An exporter is given whole runs and says what it wrote. What a format has no place for is left out and named
in `docs/interop.md`; nothing that is missing is written as 0.
"""
