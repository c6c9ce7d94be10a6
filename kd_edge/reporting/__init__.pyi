from .firmware_bundle import write_bundle as write_bundle
