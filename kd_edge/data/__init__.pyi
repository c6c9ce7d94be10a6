from .dataset import Dataset as Dataset
from .loading import load_data as load_data
