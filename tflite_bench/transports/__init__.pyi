from .base import Target as Target
