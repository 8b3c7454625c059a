"""Protocols between the layers: what each part may ask of another."""
