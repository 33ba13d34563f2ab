"""Others' rankers: aivalis2025, imagededup, plain cosine."""
