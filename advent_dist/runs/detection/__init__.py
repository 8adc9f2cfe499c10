"""Trained detectors: loaded, scored, shown and put to use."""
