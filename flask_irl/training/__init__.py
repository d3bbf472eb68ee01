"""Train: rows of a store become a model in force, one training at a time among all workers."""
