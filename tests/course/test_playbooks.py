"""The course's playbook: what it changes in the default one, and the file that it is written to."""

import dataclasses

import capstone_lib as cap
from capstone_lib.course.playbooks import KNOWN_GAPS, course_playbook, write_playbook


def test_it_differs_from_the_default_where_it_says_so():
    mine, default = course_playbook(), cap.load_playbook()
    left_out = {one.name for one in default} - {one.name for one in mine}
    assert left_out == {"slow_answers", "slow_budget_fast", "slow_budget_slow", "stale_scores"}
    changed = [one.name for one in mine if one != default[one.name]]
    assert changed == ["unequal_errors"]
    assert mine["unequal_errors"].but_not == KNOWN_GAPS


def test_the_file_holds_the_same_rules_and_the_comments(tmp_path):
    path = tmp_path / "playbook.toml"
    written = write_playbook(path, ["AGEP", "RAC1P"])
    assert dataclasses.replace(written, path="") == dataclasses.replace(
        course_playbook(["AGEP", "RAC1P"]), path=""
    )
    assert cap.load_playbook(path) == written
    assert "# How a rule is read:" in path.read_text("utf-8")


def test_no_gap_need_be_known(tmp_path):
    assert write_playbook(tmp_path / "p.toml", [])["unequal_errors"].but_not == ()
