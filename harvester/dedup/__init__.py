"""What a dataset has already: canonical URLs, the index of what was seen, near-duplicates."""
