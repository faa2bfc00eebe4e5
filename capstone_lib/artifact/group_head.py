"""The decision by group as ONNX: a row of a table for each person, a chance, and the coin.

It stands between the probabilities and the label, in place of a threshold for all.
"""

from hashlib import sha256
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from capstone_lib.artifact.group_rule import GroupThresholds

__all__ = ["CASE", "GROUP", "group_feed", "group_inputs", "group_lines"]

GROUP = "capstone_group"
CASE = "capstone_case"
_UNKNOWN = "<missing>"
_GOLDEN, _MIX_1, _MIX_2 = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def group_inputs(rule: GroupThresholds) -> list[Any]:
    """The graph's inputs that only the rule reads, both of shape (n_rows, 1)."""
    kind = TensorProto.STRING if rule.is_text else TensorProto.DOUBLE
    inputs = [helper.make_tensor_value_info(GROUP, kind, [None, 1])]
    if rule.is_random:
        inputs.append(helper.make_tensor_value_info(CASE, TensorProto.INT64, [None, 1]))
    return inputs


def group_feed(rule: GroupThresholds, columns: Any, start: int, stop: int) -> dict[str, np.ndarray]:
    """Those inputs, of rows that passed the gate."""
    group = np.asarray(columns[rule.column][start:stop]).reshape(-1, 1)
    if rule.is_text:
        feed = {GROUP: np.where(group == None, _UNKNOWN, group)}  # noqa: E711 - elementwise
    else:
        feed = {GROUP: group.astype(np.float64)}
    if rule.is_random:
        feed[CASE] = np.asarray(columns[rule.case][start:stop]).astype(np.int64).reshape(-1, 1)
    return feed


def group_lines(rule: GroupThresholds, constants: dict[str, np.ndarray]) -> list[str]:
    """Lines of the head from ``probabilities`` to ``head_index``; adds their constants."""
    keys = list(rule.groups)
    table = [rule.groups[key].row() for key in keys]
    table.append([rule.otherwise, rule.otherwise, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    constants["head.table"] = np.array(table, np.float64)
    constants["head.others"] = np.array(len(keys), np.int64)
    constants["head.one"] = np.array(1.0, np.float64)
    constants["head.half"] = np.array(0.5, np.float64)
    if rule.is_text:
        constants["head.keys"] = np.array([key.encode() for key in keys], dtype=object)
    else:
        constants["head.keys"] = np.array([keys], np.float64)
    lines = [
        "head_hits = Equal (capstone_group, head.keys)",
        "head_hit = Cast <to = 7> (head_hits)",
        "head_place = ArgMax <axis = 1, keepdims = 0> (head_hit)",
        "head_known = ReduceMax <keepdims = 0> (head_hit, head.last)",
        "head_is_known = Cast <to = 9> (head_known)",
        "head_row = Where (head_is_known, head_place, head.others)",
        "head_rule = Gather <axis = 0> (head.table, head_row)",
        "head_t0, head_t1, head_p0, head_p1, head_ignore, head_constant, head_below0, head_below1"
        " = Split <axis = 1, num_outputs = 8> (head_rule)",
        "head_exact = Gather <axis = 1> (probabilities, head.secondcolumn)",
        "head_s = Cast <to = 11> (head_exact)",
    ]
    constants["head.secondcolumn"] = np.array([1], np.int64)
    for k in (0, 1):
        lines += [
            f"head_least{k} = GreaterOrEqual (head_s, head_t{k})",
            f"head_turned{k} = Cast <to = 9> (head_below{k})",
            f"head_either{k} = Xor (head_least{k}, head_turned{k})",
            f"head_x{k} = Cast <to = 11> (head_either{k})",
            f"head_part{k} = Mul (head_p{k}, head_x{k})",
        ]
    lines += [
        "head_mixed = Add (head_part0, head_part1)",
        "head_fixed = Mul (head_ignore, head_constant)",
        "head_rest = Sub (head.one, head_ignore)",
        "head_rested = Mul (head_rest, head_mixed)",
        "head_chance = Add (head_fixed, head_rested)",
    ]
    if rule.is_random:
        lines += [*_coin_lines(rule, constants), "head_yes = Less (head_coin, head_chance)"]
    else:
        lines.append("head_yes = GreaterOrEqual (head_chance, head.half)")
    return [
        *lines,
        "head_yes_flat = Reshape (head_yes, head.flat)",
        "head_index = Cast <to = 7> (head_yes_flat)",
    ]


def _coin_lines(rule: GroupThresholds, constants: dict[str, np.ndarray]) -> list[str]:
    """SplitMix64 of the case's number, as :func:`capstone_lib.data.hashing.hash_ids` has it."""
    key = int.from_bytes(sha256(f"decision:{int(rule.seed)}".encode()).digest()[:8], "big")
    for name, number in (("key", key + _GOLDEN), ("golden", _GOLDEN), ("m1", _MIX_1)):
        constants[f"head.{name}"] = _wrapped(number)
    constants["head.m2"] = _wrapped(_MIX_2)
    for bits in (30, 27, 31, 11):
        constants[f"head.by{bits}"] = np.array(bits, np.uint64)
    constants["head.unit"] = np.array(2.0**-53, np.float64)
    return [
        "head_steps = Mul (capstone_case, head.golden)",
        "head_z = Add (head_steps, head.key)",
        *_mix("z", "a", 30),
        "head_am = Mul (head_a, head.m1)",
        *_mix("am", "b", 27),
        "head_bm = Mul (head_b, head.m2)",
        *_mix("bm", "c", 31),
        "head_word = Cast <to = 13> (head_c)",
        'head_top = BitShift <direction = "RIGHT"> (head_word, head.by11)',
        "head_whole = Cast <to = 7> (head_top)",
        "head_real = Cast <to = 11> (head_whole)",
        "head_coin = Mul (head_real, head.unit)",
    ]


def _mix(source: str, target: str, bits: int) -> list[str]:
    """``target = source ^ (source >> bits)``; products are of int64, shifts of uint64."""
    return [
        f"head_{source}u = Cast <to = 13> (head_{source})",
        f'head_{source}s = BitShift <direction = "RIGHT"> (head_{source}u, head.by{bits})',
        f"head_{source}x = BitwiseXor (head_{source}u, head_{source}s)",
        f"head_{target} = Cast <to = 7> (head_{source}x)",
    ]


def _wrapped(number: int) -> np.ndarray:
    """A number modulo 2**64 as the int64 of the same bits."""
    return np.array(number % 2**64, np.uint64).view(np.int64)
