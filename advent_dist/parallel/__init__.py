"""How models are executed: alone or on many ranks, by plain PyTorch or by DeepSpeed."""
