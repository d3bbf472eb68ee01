"""Parse access logs, a line at a time: a module for each family of formats."""

from flask_irl.replay.formats.entry import LogEntry

__all__ = ["LogEntry"]
