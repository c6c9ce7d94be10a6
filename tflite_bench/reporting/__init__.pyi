from .documents import make_document as make_document
from .documents import to_plain as to_plain
