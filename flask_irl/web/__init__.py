"""Serve requests of a Flask app under its limits."""
