"""One run: source, frontier, engine (this machine or Ray), rows."""
