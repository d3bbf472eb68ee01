"""Keep state in this process."""
