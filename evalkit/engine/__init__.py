"""Runs trials: fast, polite to every host, and nothing paid for is lost."""
