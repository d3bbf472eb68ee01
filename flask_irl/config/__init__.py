"""Configure a limiter: options, access lists, and settings changed at run time."""
