"""A small text-to-image model: its pictures, its parts, and how it learns."""
