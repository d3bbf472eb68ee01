"""Replay an access log through the same limiter in virtual time."""
