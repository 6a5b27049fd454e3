"""Prometheus exporter for the asynchronous jobs of AnalyticDB for PostgreSQL."""

__version__ = "0.1.0"
