"""Judge clients by their profiles, and explain each verdict."""
