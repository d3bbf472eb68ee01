"""Serve the views of the operator's page, a module for each part of it."""
