"""Intervals, paired tests, linear datamodeling scores, effects of removal, fitted weights. Pure."""
