"""A load test from a real kernel: live figures that stay, and an interrupt that leaves nothing."""

import json
import threading
import time

import nbformat
import psutil
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

CELL = """
from capstone_lib.loadtest import load_test
result = load_test({url!r}, [{{"AGEP": 1}}], users=2, duration_s={seconds})
result
"""


def notebook(url: str, seconds: float) -> nbformat.NotebookNode:
    cell = nbformat.v4.new_code_cell(CELL.format(url=url, seconds=seconds))
    return nbformat.v4.new_notebook(cells=[cell])


def test_figures_move_in_one_output_and_the_result_is_a_table(server):
    slow = server("slow", delay_s=0.01)
    done = NotebookClient(notebook(slow.url, 1.5), timeout=60, kernel_name="python3").execute()
    outputs = done.cells[0].outputs
    assert [out.output_type for out in outputs] == ["display_data", "execute_result"]
    shown, result = (out.data["text/html"] for out in outputs)
    assert "<progress" in shown
    assert "2 users" in shown
    assert f"0 of {slow.seen['good'] - 1:,} failed" in shown
    assert "Limited by: server" in result
    assert "<td style='text-align:right'>2</td>" in result


@pytest.mark.slow
def test_an_interrupted_cell_leaves_no_process_behind(server):
    slow = server("slow", delay_s=0.01)
    client = NotebookClient(notebook(slow.url, 60), timeout=60, kernel_name="python3")
    below: list[psutil.Process] = []

    def interrupt() -> None:
        while slow.seen["good"] < 20:
            time.sleep(0.05)
        kernel = psutil.Process(client.km.provisioner.pid)
        below.extend(kernel.children(recursive=True))
        kernel.send_signal(2)

    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        client.execute()
    except CellExecutionError as error:
        assert "KeyboardInterrupt" in str(error)  # noqa: PT017 - the notebook is looked at as well
    thread.join()
    assert len(below) == 1
    assert not psutil.wait_procs(below, timeout=10)[1]
    cell = client.nb.cells[0]
    assert "stopped after" in json.dumps(cell.outputs)
