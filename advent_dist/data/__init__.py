"""From shards to batches. See docs/architecture.md for the drawing of the flow."""
