"""A small DALL·E: pictures, tokenizers, transformer, training, sampling, checkpoints."""
