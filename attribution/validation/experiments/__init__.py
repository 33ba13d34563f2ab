"""These are the experiments of a run: counterfactual test, LDS, exemplars, unlearning, refit."""
