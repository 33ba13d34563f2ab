"""One file a descriptor, the table of channels, and descriptors on disk."""
