"""The shell of `attribute`: parse, call, print. Nothing heavy is imported at its start."""
