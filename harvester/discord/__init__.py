"""Discord exports: files, layouts, messages, media, people and links, read into finished jobs."""
