"""Random changes of whole batches on the device: pure functions of tensors and what was drawn."""
