"""These are the unlearners, which make a model forget pictures: SISA, gradient ascent, Fisher."""
