"""Files of any size as rows or values: csv, tsv, JSON, JSON Lines, Parquet, text lines, gzip."""
