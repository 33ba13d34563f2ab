"""A query against a gallery: scores, comparison, verification, order."""
