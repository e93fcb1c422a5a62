"""Server-rendered pages: templates, their style and their scripts. Nothing is loaded from anywhere else."""
