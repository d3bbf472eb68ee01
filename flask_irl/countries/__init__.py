"""Tell the countries of clients from a MaxMind DB file, off every request's path."""
