"""These are the attribution methods under test: whence's own arms, TRAK, D-TRAK; their scores."""
