"""Report events: to the log, and to Prometheus."""
