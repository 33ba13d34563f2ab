"""These are the statistics: intervals, paired tests, LDS, removal effects, fitted weights. Pure."""
