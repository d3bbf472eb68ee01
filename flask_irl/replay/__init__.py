"""``irl replay``: a real access log through the same engine in virtual time."""
