"""This validates rankings on a small model whose training pictures are known: the proof.

Only the shell imports it.
"""
