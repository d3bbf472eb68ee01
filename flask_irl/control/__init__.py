"""Ask about clients, and steer them, from an app's own code."""

from flask_irl.control.api_keys import ApiKeyControl
from flask_irl.control.clients import ClientControl

__all__ = ["ApiKeyControl", "ClientControl"]
