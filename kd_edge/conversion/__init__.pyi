from .converter import convert as convert
from .fine_tuning.qat import fine_tune as fine_tune
from .fine_tuning.tf_keras_copy import FineTuning as FineTuning
from .metadata import read_metadata as read_metadata
