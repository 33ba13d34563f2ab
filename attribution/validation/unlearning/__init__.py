"""Ways to make a model forget pictures: SISA, gradient ascent, Fisher."""
