"""The proof's page, tables, plots and sheets. No torch."""
