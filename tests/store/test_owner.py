import subprocess
import sys
import time

import psutil

from capstone_lib.store.owner import SILENT_AFTER_S, Owner


def test_this_process_lives_however_long_it_was_silent():
    assert not Owner.here().is_dead(0.0)


def test_a_process_that_ended_is_dead_at_once():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    owner = Owner(Owner.here().host, child.pid, psutil.Process(child.pid).create_time())
    assert not owner.is_dead(time.time())

    child.kill()
    child.wait()
    child.stdin.close()

    assert owner.is_dead(time.time())


def test_a_process_id_in_use_again_is_dead_when_it_was_silent():
    here = Owner.here()
    before = Owner(here.host, here.pid, here.born - 1000)

    assert not before.is_dead(time.time())
    assert before.is_dead(time.time() - SILENT_AFTER_S - 1)


def test_on_another_host_silence_decides():
    elsewhere = Owner("elsewhere", 1, 0.0)

    assert not elsewhere.is_dead(time.time() - 1)
    assert elsewhere.is_dead(time.time() - SILENT_AFTER_S - 1)
