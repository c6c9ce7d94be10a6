"""How sure figures and differences are that were counted on samples."""
