"""This is a small DALL·E: training pictures, tokenizers, transformer, trainer, sampler, files."""
