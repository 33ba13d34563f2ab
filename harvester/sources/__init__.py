"""Candidates that are at hand or listed: addresses, folders, captioned sets. One file a source."""
