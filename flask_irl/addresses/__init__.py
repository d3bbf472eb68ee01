"""Tell the countries and networks of clients from MaxMind DB files, off every request's path."""
