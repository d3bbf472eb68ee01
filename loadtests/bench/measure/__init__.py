"""Measure apps: time, CPU time, memory, calls of Redis."""
