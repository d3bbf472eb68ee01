"""Define the bodies and queries of the admin API, a module for each group of endpoints."""
