"""Networks of others with public architectures, for samples of any shape; ours to compare with.

The channels and strides are theirs, the windows are cut to the samples. Logits out.

Not among them: MCUNet's networks for keywords and for person detection, whose layers were not found written down
(arXiv 2007.10319 shows the first as points of a figure, its repository loads the second from a server).
"""

from kd_edge.distillation.models.teacher_models import build_teacher
from tools.studies.devices.shapes import mcunet, micronets, mlperf, st
from tools.studies.devices.shapes.parts import Build

PUBLIC: dict[str, Build] = {
    "MLPerf DS-CNN": mlperf.ds_cnn,
    "MLPerf ResNet-8": mlperf.resnet_8,
    "MLPerf MobileNet 0.25": mlperf.mobilenet_quarter,
    "MicroNet-KWS-S": micronets.micronet_kws_s,
    "ST GMP": st.gmp,
    "ST MNIST v1": st.mnist_v1,
    "MCUNet 10 fps": mcunet.ten_fps,
    "MCUNet 5 fps": mcunet.five_fps,
}
TEACHER_WIDTHS = (1, 2, 3, 4, 6, 8, 12, 16, 24)


def teacher_of(width: int) -> Build:
    """Return what builds the teacher's architecture with fewer channels everywhere."""
    return lambda shape, classes: build_teacher(shape, classes, width=width)
