"""Parquet in, ranked evidence out."""
