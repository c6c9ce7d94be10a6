from .isolation import ChildError as ChildError
from .isolation import run_child as run_child
