"""Complete runs by name, and what the surroundings ask of every run."""

from advent_dist.experiments.registry import EXPERIMENTS, experiment

__all__ = ["EXPERIMENTS", "experiment"]
