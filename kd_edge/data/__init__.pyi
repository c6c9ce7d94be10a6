from .arrays import dataset_of as dataset_of
from .class_weights import with_class_weight as with_class_weight
from .dataset import Dataset as Dataset
from .loading import load_data as load_data
from .metrics.classification import classification_of as classification_of
from .options import SourceOptions as SourceOptions
from .sources.registry import DataSource as DataSource
from .sources.registry import register_source as register_source
