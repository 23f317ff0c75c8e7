"""The engines that train: TRL on PyTorch, Tunix and MaxText on JAX, and the MNIST policy."""
