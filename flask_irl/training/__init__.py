"""Train models, and publish them."""
