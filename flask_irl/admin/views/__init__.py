"""Serve the endpoints of the admin API, a module for each group of them."""
