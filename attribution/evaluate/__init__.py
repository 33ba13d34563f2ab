"""How well the ranking finds what it should: edited copies, figures with intervals, peers."""
