"""One file a source; each yields records and downloads nothing itself."""
