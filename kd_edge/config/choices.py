"""The words and numbers that a configuration may name, and those that it has where it names none."""

QUANTIZE_MODES = ("int8", "int16x8", "float16", "dynamic", "none")
AUGMENTATIONS = ("none", "image", "image-flip", "spectrogram", "sensor", "imu", "mixup")
IMPORTANCES = ("l1", "batch_norm")
CALIBRATIONS = ("random", "balanced", "first")
QAT_MODES = ("auto", "always", "never")
# The family of students that run step by step.
STREAMING = "streaming"
TRAINEES = ("like_teacher", "none")
COMPRESSIONS = ("none", "prune", "cluster")
# What a search ranks by, see `score_of`; and which student is handed on.
OBJECTIVES = ("accuracy", "balanced_accuracy", "macro_f1", "label_accuracy", "skill", "score")
STUDENTS = ("best", "distilled", "baseline")
# Weight of the labels' loss beside (1 - weight) times the guides'; `Distiller` keeps the default of Keras' Distiller.
STUDENT_LOSS_WEIGHT = 0.1
# Of the softmax of guides and student.
TEMPERATURE = 2.0
# For students of 1 k to 100 k parameters; see `Recipe`.
LEARNING_RATE = 8e-2
# Where networks answer with values; tools/studies/learning_rates.py.
VALUES_LEARNING_RATE = 2e-2
STUDENT_EPOCHS = 40
# Share of the test samples that int8 may lose.
MAX_ACCURACY_LOSS = 0.02
# NumPy, Keras and TensorFlow all take 32 bits.
MAX_SEED = 2**32 - 1
