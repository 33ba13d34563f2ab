"""Many jobs against one gallery, resumable, and the table of their rankings."""
