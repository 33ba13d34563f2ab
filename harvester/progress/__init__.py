"""What a harvest has come to so far, for a person (display) and for a program (event log)."""
