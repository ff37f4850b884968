"""Transforms of training windows, on tensors in the batch, on their device: new bodies, new cameras, a detector."""
