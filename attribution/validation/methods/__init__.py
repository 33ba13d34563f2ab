"""Attribution methods under test: whence's own arms, TRAK, D-TRAK; their scores on disk."""
