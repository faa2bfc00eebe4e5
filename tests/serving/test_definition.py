"""An endpoint's definition: what is written is read; what cannot be is refused with its key."""

import shutil
from pathlib import Path

import pytest

from capstone_lib.errors import EndpointError
from capstone_lib.serving.definition import EndpointDefinition, read_definition
from capstone_lib.serving.limits import Limits


def test_what_is_written_is_read(tmp_path: Path) -> None:
    written = EndpointDefinition(
        tmp_path, model="model.onnx", store="store.db", fallback="plain.onnx", hybrid="36h",
        workers=2, limits=Limits(max_in_flight=8, timeout_s=2.5),
    )  # fmt: skip
    path = tmp_path / "endpoint.toml"
    path.write_text(written.to_toml(), encoding="utf-8")
    assert read_definition(path) == written
    assert str(written) == (
        "capstone serve model.onnx --store sqlite:///store.db --fallback plain.onnx --hybrid 36h "
        "--workers 2 --max-in-flight 8 --timeout-s 2.5"
    )


def test_the_command_is_one_that_capstone_serve_takes(tmp_path: Path) -> None:
    from capstone_lib.cli.serve import serve

    definition = EndpointDefinition(
        tmp_path, model="m.onnx", store="s.db", canary="c.onnx", workers=2,
        limits=Limits(log_capacity=10),
    )  # fmt: skip
    given = serve.make_context("serve", definition.command()[2:]).params
    assert given["model"] == "m.onnx"
    assert given["canary"] == "c.onnx"
    assert given["log_capacity"] == 10


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "there is no [endpoint]"),
        ("endpoint = 1", "there is no [endpoint]"),
        ("[endpoint", "it is no TOML"),
        ("[endpoint]\nport = 8000", "port means nothing"),
        ("[serve]\n", "[serve] means nothing"),
        ("[endpoint]\nstore = 's.db'", "no model is named"),
        ("[endpoint]\nmodel = 3", "model is 3; name a file"),
        ("[endpoint]\nmodel = ''", "model is ''; name a file"),
        ("[endpoint]\nmodel = '../m.onnx'", "name a file in the folder of endpoint.toml"),
        ("[endpoint]\nmodel = '/m.onnx'", "name a file in the folder of endpoint.toml"),
        ("[endpoint]\nmodel = 'C:\\m.onnx'", "name a file in the folder of endpoint.toml"),
        ("[endpoint]\nmodel='m.onnx'\nstore='sqlite:///s.db'", "store is 'sqlite:///s.db'"),
        ("[endpoint]\nmodel='m.onnx'\nhybrid='36h'", "hybrid needs a store"),
        ("[endpoint]\nmodel='m.onnx'\nstore='s.db'\nhybrid='old'", "hybrid is 'old'"),
        ("[endpoint]\nmodel='m.onnx'\nworkers=0", "workers is 0"),
        ("[endpoint]\nmodel='m.onnx'\nworkers=true", "workers is True"),
        ("[endpoint]\nmodel='m.onnx'\n[limits]\nusers=3", "users is no limit"),
        ("[endpoint]\nmodel='m.onnx'\n[limits]\nmax_rows=-3", "max_rows must be a positive"),
        ("limits = 3\n[endpoint]\nmodel='m.onnx'", "limits is no table"),
        ("#" * 200_000, "a definition has a few hundred"),
    ],
)
def test_what_cannot_be_is_refused_with_its_key(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "endpoint.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(EndpointError) as caught:
        read_definition(path)
    assert str(caught.value).startswith("endpoint.toml: ")
    assert said in str(caught.value)


def test_a_missing_file_says_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(EndpointError, match=r"cannot be read .*; write one"):
        read_definition(tmp_path / "endpoint.toml")


def test_the_same_endpoint_starts_wherever_the_folder_is_moved(tmp_path: Path) -> None:
    from capstone_lib.course.project import open_project

    project = open_project("wine")
    first = tmp_path / "first"
    first.mkdir()
    project.export(project.fit("linear"), first / "model.onnx")
    text = EndpointDefinition(first, model="model.onnx", store="store.db").to_toml()
    (first / "endpoint.toml").write_text(text, encoding="utf-8")
    second = tmp_path / "second"
    shutil.move(first, second)
    row = project.windows[0].rows[project.features].iloc[0]
    with read_definition(second / "endpoint.toml").start() as endpoint:
        assert endpoint.predict(row)["label"] in project.classes
    assert (second / "store.db").exists()
    with read_definition(second / "endpoint.toml").start(store=None) as endpoint:
        assert endpoint.predict(row)["model"] == "wine"
