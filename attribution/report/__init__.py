"""A ranking as something to look at: a terminal table, an HTML page."""
