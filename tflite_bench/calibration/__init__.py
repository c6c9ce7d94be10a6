"""The latency model of kd_edge fitted to a device.

In: a runner. Out: a `DeviceProfile` as TOML, fitted to networks that are measured on it.
Imports `runners`, `measurement`, `model`, `errors`.
"""
