"""After a harvest: what a dataset holds and what failed, retry, compaction."""
