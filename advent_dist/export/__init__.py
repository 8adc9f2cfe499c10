"""Trained models for others: weights, ONNX and torch.export programs, and a model card."""
