"""Discord exports: what their files, messages and people look like, whatever tool wrote them."""
