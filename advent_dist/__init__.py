"""ADVENT at scale: unsupervised domain adaptation for segmentation by entropy minimisation."""
