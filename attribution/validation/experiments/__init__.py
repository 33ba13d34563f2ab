"""The experiments: corpus, generations, removals, retraining, LDS, exemplars, unlearning."""
