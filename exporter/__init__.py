"""Prometheus exporter for the vector upload jobs of AnalyticDB for PostgreSQL."""

__version__ = "0.1.0"
