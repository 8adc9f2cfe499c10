"""ADVENT at scale: unsupervised domain adaptation for semantic segmentation by entropy minimisation."""
