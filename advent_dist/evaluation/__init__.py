"""Predictions to numbers: counts of pixels, metrics, criteria that need no labels."""
