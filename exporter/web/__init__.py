"""The exporter's own HTTP side: a bounded server, the routes, the status page."""
