"""Compiled kernels of the energy-based models."""
