from .bundle.from_file import write_file_bundle as write_file_bundle
from .bundle.from_run import write_bundle as write_bundle
