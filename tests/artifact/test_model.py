"""A file is opened only if it is ours, whole and unchanged; answers do not depend on company."""

import numpy as np
import onnx
import pytest
from sklearn.linear_model import LogisticRegression

import capstone_lib as cap
from capstone_lib.errors import ArtifactError, SchemaError


@pytest.fixture(scope="module")
def path(people, tmp_path_factory):
    path = tmp_path_factory.mktemp("artifact") / "modèle 1.onnx"
    X = people.train[["AGEP", "SCHL"]]
    model = LogisticRegression().fit(X, people.train["employed"])
    cap.export_model(
        model,
        X,
        path,
        name="work",
        version="1",
        X_calibration=people.held_out[["AGEP", "SCHL"]],
        y_calibration=people.held_out["employed"],
    )
    return path


def refused(tmp_path, data, match):
    (tmp_path / "m.onnx").write_bytes(data)
    with pytest.raises(ArtifactError, match=match):
        cap.load_model(tmp_path / "m.onnx")


def test_a_missing_or_empty_file_is_refused(tmp_path):
    with pytest.raises(ArtifactError, match="cannot be read"):
        cap.load_model(tmp_path / "none.onnx")
    refused(tmp_path, b"", "no passport|not an ONNX")


def test_a_truncated_file_is_refused_wherever_it_ends(path, tmp_path):
    data = path.read_bytes()
    for length in (1, 10, len(data) // 2, len(data) - 60, len(data) - 1):
        refused(tmp_path, data[:length], "not an ONNX file|no passport|changed")


def test_any_flipped_byte_is_noticed(path, tmp_path):
    data = path.read_bytes()
    for place in np.random.default_rng(0).integers(0, len(data), 40):
        changed = bytearray(data)
        changed[place] ^= 1
        refused(tmp_path, bytes(changed), "changed|not an ONNX file|no passport")


def test_a_file_that_is_not_ours_is_refused(path, tmp_path):
    model = onnx.load(path)
    del model.metadata_props[:]
    refused(tmp_path, model.SerializeToString(), "no passport")
    refused(tmp_path, b"\x89PNG\r\n\x1a\n" + bytes(100), "not an ONNX file|no passport")


def test_external_data_is_refused_even_under_a_good_seal(path, tmp_path):
    from capstone_lib.artifact.model import seal

    artifact = cap.load_model(path)
    model = onnx.load(path)
    tensor = model.graph.initializer.add(name="outside", data_type=1, dims=[1])
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    refused(tmp_path, seal(model, artifact.passport), "external")


def test_the_passport_is_read_back_equal(path):
    passport = cap.load_model(path).passport
    assert type(passport).from_json(passport.to_json()) == passport
    assert "work 1" in str(passport)
    assert "work 1" in passport._repr_html_()
    assert passport.calibration["rows"] == 2000


def test_onnx_itself_finds_the_file_valid(path):
    onnx.checker.check_model(onnx.load(path), full_check=True)


def test_columns_may_come_in_any_order_with_strangers_among_them(path, people):
    artifact = cap.load_model(path)
    straight = artifact.predict(people.later[["AGEP", "SCHL"]])
    turned = artifact.predict(people.later[["RELP", "SCHL", "AGEP"]])
    assert (straight.score == turned.score).all()


def test_wrong_rows_are_refused_with_every_problem(path):
    with pytest.raises(SchemaError) as caught:
        cap.load_model(path).predict({"AGEP": [30, None, 30.5], "SCHL": [1, 1, float("inf")]})
    assert {p.code for p in caught.value.problems} == {"null", "fractional", "infinite"}


def test_no_rows_give_no_predictions(path):
    got = cap.load_model(path).predict({"AGEP": [], "SCHL": []})
    assert len(got) == 0
    assert got.to_frame().empty


def test_a_rows_answer_does_not_depend_on_its_neighbours(people, tmp_path):
    from sklearn.ensemble import HistGradientBoostingClassifier

    X = people.train[people.features]
    model = HistGradientBoostingClassifier(max_iter=20).fit(X, people.train["employed"])
    artifact = cap.export_model(model, X, tmp_path / "m.onnx", name="a", version="1")
    rows = people.later[people.features].head(300)
    together = artifact.predict(rows)
    for size in (1, 7):
        parts = [artifact.predict(rows.iloc[i : i + size]) for i in range(0, 300, size)]
        assert (np.concatenate([part.score for part in parts]) == together.score).all()
        assert (np.concatenate([part.label for part in parts]) == together.label).all()


def test_a_folder_that_cannot_be_written_is_one_clear_error(people, tmp_path):
    X = people.train[["AGEP"]]
    model = LogisticRegression().fit(X, people.train["employed"])
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtifactError, match="cannot be written"):
        cap.export_model(model, X, tmp_path / "file" / "m.onnx", name="a", version="1")
