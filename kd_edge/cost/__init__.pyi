from .budget import Budget as Budget
from .devices import DeviceProfile as DeviceProfile
from .devices import load_device as load_device
from .model import Cost as Cost
from .model import CostModel as CostModel
