"""Graphs opened in onnxruntime: one intra-op thread, quiet, and errors in plain words."""

from typing import Any

from capstone_lib.errors import ArtifactError

__all__ = ["open_session", "probability_session"]


def open_session(data: bytes, *, where: str) -> Any:
    """Open a graph.

    Raises
    ------
    ArtifactError
        If this onnxruntime cannot; ``where`` names the file.
    """
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        return ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises classes of its own, without a common base
        raise ArtifactError(
            f"onnxruntime {ort.__version__} cannot load {where}: "
            f"{' '.join(str(error).split())[:240]}; export the model again with the versions "
            "installed here"
        ) from error


def probability_session(data: bytes, *, n_classes: int, where: str) -> Any:
    """Open an artifact's graph so that it also answers ``head_p``, all probabilities, in float32.

    With more than two classes the score is the largest of them; why it is what it is needs the
    probability of that one class on other rows too.
    """
    from onnx import ModelProto, TensorProto, helper

    model = ModelProto.FromString(data)
    output = helper.make_tensor_value_info("head_p", TensorProto.FLOAT, [None, n_classes])
    model.graph.output.append(output)
    return open_session(model.SerializeToString(), where=where)
