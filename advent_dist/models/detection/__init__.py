"""The parts of a detector: its outputs and what they mean, its backbones, weights from files."""
