"""One rank's run: the loop, what it is put together from, and its checkpoints."""
