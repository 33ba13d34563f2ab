"""This measures how right a ranking is: suites, systems, metrics, the fit of the fusion."""
