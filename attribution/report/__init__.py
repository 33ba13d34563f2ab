"""A ranking as something to look at: words, terminal, HTML, JSON Lines."""
