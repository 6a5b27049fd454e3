"""Queries once all that is configured, and says what is wrong."""
