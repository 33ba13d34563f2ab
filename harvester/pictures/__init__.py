"""Bytes as verified pictures and hashes, and the sandboxed worker processes that make them so."""
