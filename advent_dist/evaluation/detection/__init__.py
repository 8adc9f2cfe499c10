"""What a detector is worth: boxes found against true ones, and criteria that need none."""
