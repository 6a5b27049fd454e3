"""The web configuration file: TLS, users and headers of the exporter's own server."""

from exporter.web.security.file import WebConfig, load
from exporter.web.security.guard import Guard
from exporter.web.security.live import LiveWebConfig
from exporter.web.security.passwords import Passwords
from exporter.web.security.tls import TlsEndpoint

__all__ = ["Guard", "LiveWebConfig", "Passwords", "TlsEndpoint", "WebConfig", "load"]
