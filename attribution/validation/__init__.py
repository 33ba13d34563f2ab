"""The proof: on a small model whose training pictures are known. Only the shell imports it."""
