"""Keep the state of clients and of the site: the protocol, and stores in memory and on Redis."""
