"""Hyperparameter search on Ray Tune: many runs of one experiment, the hopeless ones ended early."""
