"""Judge detection on made-up logs of the simulator, or on real ones."""
