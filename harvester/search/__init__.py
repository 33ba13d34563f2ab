"""Image search engines, one file an engine: queries, budgets, pacing, several in one run."""
