"""Asks once about all that is configured, and tells in words what is wrong."""
