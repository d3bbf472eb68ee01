"""Describe limits, and decide on requests by them."""
