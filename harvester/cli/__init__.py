"""The shell of `harvest`: parse, call, print. Nothing heavy is imported at its start."""
