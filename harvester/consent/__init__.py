"""Opt-outs: the signals, the policies, and one parser for each place they are written in. Pure."""
