"""How look-alikes are drawn: a sheet of paper, motifs to put on it, and one function a kind."""
