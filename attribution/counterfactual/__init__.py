"""Proof by forgetting: a local text-to-image model, and what it makes without given pictures."""
