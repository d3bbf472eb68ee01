"""Profile the behaviour of clients, and of a site as a whole."""
