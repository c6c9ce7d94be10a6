"""What the rules say TFLM refuses, against the interpreter."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tflite_bench.model.info import TensorInfo
from tflite_bench.model.operators.spec import Operands
from tflite_bench.model.reader import read_model
from tflite_bench.model.runtime_support import op_refusal, refusals_of, silent_refusals
from tflite_bench.model.type_signatures import matches
from tflite_bench.model.writer import pack, unpack
from tflite_bench.runners.tflm_check import interpreter_refusals
from tools.networks.single_ops import CASES, signature, single_op

ROOT = Path(__file__).parents[3]
FILES = ROOT / "tests" / "data"


def tensor(dtype, *shape, constant=True):
    return TensorInfo(0, "", shape, shape, dtype, scales=(1.0,), data=memoryview(b"") if constant else None)


def test_no_op_is_let_pass_in_types_in_which_the_interpreter_refuses_it():
    # In a process without threads a file is tried in a copy of it: hundreds take less time than dozens would here.
    command = [sys.executable, "-m", "tools.benchmarks.runtime_refusals", "--passed"]
    tried = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert tried.returncode == 0, tried.stderr
    assert "false 'holds'" not in tried.stdout
    assert re.search(r"^\| the rules let it pass \| [3-9]\d\d \| 0 \|$", tried.stdout, re.MULTILINE)


@pytest.mark.parametrize(
    ("signature", "inputs", "expected"),
    [
        ("int8 int8|int4 int32? > int8", ("int8", "int4"), True),
        ("int8 int8|int4 int32? > int8", ("int8", "int8", "int64"), False),
        ("T *? > T", ("int8", "float32"), True),
        ("float32+ > int8", ("float32",) * 5, True),
        ("float32 > int8", ("float32", "float32"), False),
    ],
)
def test_a_signature_lists_types_that_may_be_missing_or_repeat(signature, inputs, expected):
    assert matches(signature, [tensor(dtype, 4) for dtype in inputs], [tensor("int8", 4)]) is expected


def test_a_hybrid_layer_is_named_so():
    (refusal,) = refusals_of(read_model(FILES / "dense_hybrid.tflite"))
    assert str(refusal).startswith(
        "FULLY_CONNECTED (op 0): TFLM has no hybrid kernels (float32 values with int8 weights)"
    )


def test_an_argument_that_is_computed_is_refused_where_tflm_reads_it_before():
    values = tensor("float32", 1, 4, 4, 4, constant=False)
    op = Operands("PAD", (values, tensor("int32", 4, 2, constant=False)), (values,))
    assert op_refusal(op) == "its paddings have to be a constant, TFLM reads them before it runs"


def test_an_output_without_a_fixed_size_is_refused_but_for_its_batch():
    model = unpack(single_op(CASES["SLICE"], signature(CASES["SLICE"], "float32")))
    output = model.subgraphs[0].tensors[-1]
    output.shapeSignature = [-1, *output.shape[1:]]
    assert refusals_of(read_model(pack(model))) == ()
    output.shapeSignature = [-1, -1, *output.shape[2:]]
    (refusal,) = refusals_of(read_model(pack(model)))
    assert str(refusal).startswith(
        "SLICE (op 0): its output has no fixed size (any, any, 2, 4), and TFLM, which has no"
    )
    assert silent_refusals(read_model(pack(model))) == (refusal,)
    code = model.operatorCodes[0]
    code.builtinCode = code.deprecatedBuiltinCode = 32
    code.customCode = "TFLite_Detection_PostProcess"  # how many it finds is in one of its outputs
    assert silent_refusals(read_model(pack(model))) == ()


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("ethos-u", "Vela wrote this file for an Arm Ethos-U"),
        ("edgetpu-custom-op", "the Edge TPU compiler wrote this file"),
        ("FlexErf", "an operator of TensorFlow that TFLite lacks"),
        ("OwnOp", "a custom operator, for which the runtime has no kernel"),
    ],
)
def test_custom_operators_are_refused_by_every_runtime(code, reason):
    model = unpack((FILES / "atan2.tflite").read_bytes())
    for entry in model.operatorCodes:
        entry.builtinCode = entry.deprecatedBuiltinCode = 32
        entry.customCode = code
    info = read_model(pack(model))
    for runs_tflm in (True, False):
        assert refusals_of(info, runs_tflm=runs_tflm)[0].reason.startswith(reason)


def test_an_input_without_a_fixed_size_is_refused_but_not_for_its_batch():
    model = unpack((FILES / "residual_float.tflite").read_bytes())
    source = model.subgraphs[0].tensors[model.subgraphs[0].inputs[0]]
    source.shapeSignature = [-1, *list(source.shape)[1:]]
    assert refusals_of(read_model(pack(model))) == ()
    source.shapeSignature = [-1, -1, -1, 3]
    (refusal,) = refusals_of(read_model(pack(model)))
    assert (refusal.op, refusal.index) == ("input", 0)
    assert "no fixed size (any, any, any, 3)" in refusal.reason


def test_a_file_that_never_ends_is_refused_with_that_word():
    (refusal,) = interpreter_refusals((FILES / "endless_loop.tflite").read_bytes(), time_limit_s=1)
    assert "does not come to an end" in refusal.reason


def test_a_file_that_crashes_the_interpreter_is_refused_with_that_word():
    case = CASES["DEPTHWISE_CONV_2D"]
    model = unpack(single_op(case, signature(case, "float32")))
    model.subgraphs[0].operators[0].inputs = [0, 1, -1]
    content = pack(model)
    assert refusals_of(read_model(content))[0].reason.endswith("on which TFLM's kernel crashes")
    (refusal,) = interpreter_refusals(content)
    assert "crashes TFLM's interpreter" in refusal.reason


@pytest.mark.shared
def test_rules_and_interpreter_agree_on_every_shared_file(shared_path):
    for path in sorted(shared_path.glob("models*/*.tflite")):
        content = path.read_bytes()
        assert bool(refusals_of(read_model(content))) == bool(interpreter_refusals(content)), path.name
