"""Ways to get a model without given pictures, and what each costs."""
