from .arrays import dataset_of as dataset_of
from .class_metrics import classification_of as classification_of
from .class_weights import with_class_weight as with_class_weight
from .dataset import Dataset as Dataset
from .loading import load_data as load_data
from .options import SourceOptions as SourceOptions
from .sources import DataSource as DataSource
from .sources import register_source as register_source
