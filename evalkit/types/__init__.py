"""Frozen records that every layer speaks. They hold data and know nothing else."""
