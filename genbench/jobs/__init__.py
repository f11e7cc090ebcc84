"""What the workflow's rules call: one function per verb, files in, files out."""
