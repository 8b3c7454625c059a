"""Reads definitions (suites, providers, policies) strictly and resolves names to them."""
