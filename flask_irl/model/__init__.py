"""Describe a model: detector, calibration, and the form in which both are stored."""
