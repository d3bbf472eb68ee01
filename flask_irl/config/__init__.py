"""Configure a limiter: options, their sources, access lists, settings changed at run time."""
