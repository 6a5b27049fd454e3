"""Asks once about all that is configured, and says what is wrong."""
