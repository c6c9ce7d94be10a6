from .calibrate import Calibration as Calibration
