"""Checks, before anything is sent, whether data may go to an endpoint. Pure."""
