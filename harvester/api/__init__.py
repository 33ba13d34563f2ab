"""The harvester as a library: what `import harvester` gives, and the commands themselves use."""
