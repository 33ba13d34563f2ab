"""Scores held against chance: the background (null), p-values, fusion, verdicts."""
