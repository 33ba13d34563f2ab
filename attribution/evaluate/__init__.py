"""How right a ranking is: edited copies, suites, metrics with intervals, the fusion's fit."""
