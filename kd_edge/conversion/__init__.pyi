from .converter import convert as convert
from .metadata import read_metadata as read_metadata
from .qat import fine_tune as fine_tune
from .tf_keras_copy import FineTuning as FineTuning
