from .bundle.from_run import write_bundle as write_bundle
