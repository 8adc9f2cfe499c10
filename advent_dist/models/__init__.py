"""The networks: segmenters (the paper's, or any timm encoder with heads) and discriminators."""
