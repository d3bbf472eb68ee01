"""Keep state on Redis or Valkey, shared by all workers and hosts."""
