"""The web and the exports, brought into Parquet."""
