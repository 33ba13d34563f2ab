"""The attribution as a library: what `import attribution` gives, and the commands use too."""
