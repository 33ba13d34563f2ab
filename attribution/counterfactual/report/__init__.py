"""What a proof found, for people: a page, tables, plots and sheets of pictures."""
