"""This is the report of a run: page, tables, plots and contact sheets. No torch."""
