from .envelope import make_document as make_document
from .envelope import to_plain as to_plain
