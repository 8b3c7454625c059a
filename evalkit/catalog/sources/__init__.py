"""Samples that are neither a file nor a data set: `samples: <source>:<what>` reads the module of that name.

Each module has `read(what) -> list[Sample]`.
"""
