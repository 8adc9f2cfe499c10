"""What a run leaves behind, and what is done with it."""
