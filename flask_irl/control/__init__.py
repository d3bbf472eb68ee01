"""Ask about clients, and steer them, from an app's own code."""

from flask_irl.control.clients import ClientControl

__all__ = ["ClientControl"]
