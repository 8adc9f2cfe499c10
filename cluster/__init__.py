"""Ray Train: an experiment becomes a group of workers on a cluster or on this machine."""
