"""Decide on requests, and learn from them."""
