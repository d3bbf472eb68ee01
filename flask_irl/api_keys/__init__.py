"""Describe API keys: their texts, hashes and records, without a store and without Flask."""
