"""A dataset on disk or in a bucket: schema, shards, manifest, lock, writer; whole or not there."""
