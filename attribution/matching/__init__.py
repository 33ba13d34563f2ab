"""Local features and geometric verification. Pure."""
