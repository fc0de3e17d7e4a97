"""The reader of pickles: plain data come through, everything else is refused and nothing of it runs."""

import copyreg
import os
import pickle
import struct

import numpy as np
import pytest

from boltzprune.datasets import safe_pickle
from boltzprune.errors import InputError


class _Call:
    """Pickles as the call of a function."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_what_python_3_and_numpy_write_today_is_read(protocol):
    data = np.arange(221, dtype=np.uint8).reshape(13, 17)
    filenames = [b"a.png", "b.png"]
    content = pickle.dumps({b"data": data, "n": [3, -70000, 2**40, None, (1,)], b"f": filenames}, protocol)
    batch = safe_pickle.loads(content, "test")
    np.testing.assert_array_equal(batch[b"data"], data)
    assert batch["n"] == [3, -70000, 2**40, None, (1,)] and batch[b"f"] == filenames
    assert batch[b"data"].dtype == np.uint8 and not batch[b"data"].flags.writeable


@pytest.mark.parametrize("module", [b"numpy.core.multiarray", b"numpy._core.multiarray"])
def test_what_python_2_wrote_is_read_with_bytes_as_text(make, module):
    data = make.pixels(7, 3)
    content = make.batch(data, module=module)
    batch = safe_pickle.loads(content, "test")
    assert list(batch) == [b"data", b"labels"] and batch[b"labels"] == [0, 1, 2, 3, 4, 5, 6]
    np.testing.assert_array_equal(batch[b"data"], data)
    np.testing.assert_array_equal(pickle.loads(content, encoding="bytes")[b"data"], data)  # the file is genuine


def test_one_array_referred_to_twice_is_read(make):
    data = np.zeros((3, 5), dtype=np.uint8)
    batch = safe_pickle.loads(pickle.dumps({"a": data, "b": data}, 2), "test")
    assert batch["a"].shape == batch["b"].shape == (3, 5)


def _attacks(marker):
    """Name and content of files that try to do something; a successful attack makes the marker or takes memory."""
    command = f"touch {marker}"
    python = f"open({str(marker)!r}, 'w')"
    name = {"os": b"cos\nsystem\n", "eval": b"cbuiltins\neval\n", "getattr": b"cbuiltins\ngetattr\n"}
    arg = b"U" + bytes([len(command)]) + command.encode()
    huge = struct.pack("<i", 2**31 - 1)
    reconstruct, ndarray = b"cnumpy.core.multiarray\n_reconstruct\n", b"cnumpy\nndarray\n"
    doubled = b"K\x01\x85" + b"".join(b"q%ch%c\x86" % (k, k) for k in range(1, 60))
    text = b"X\x00\x00\x02\x00" + b"x" * 2**17
    encode = b"c_codecs\nencode\n"
    once = encode + text + b"q\x02X\x06\x00\x00\x00latin1q\x03\x86R"
    in_dict = b"\x80\x02}U\x01a%ss."
    return {
        "os.system": pickle.dumps(_Call(os.system, command), 2),
        "os.system, protocol 0": b"cos\nsystem\n(S'" + command.encode() + b"'\ntR.",
        "os.system, protocol 4": pickle.dumps(_Call(os.system, command), 4),
        "os.system in a dict": pickle.dumps({b"data": _Call(os.system, command)}, 2),
        "posix.system by INST": b"(" + arg + b"iposix\nsystem\n.",
        "OBJ": b"(" + name["os"] + arg + b"o.",
        "builtins.eval": pickle.dumps(_Call(eval, python), 2),
        "builtins.exec": pickle.dumps(_Call(exec, python), 4),
        "builtins.getattr": name["getattr"] + b"cos\n_wrap_close\nU\x05close\x86R.",
        "nested reduce": b"\x80\x02" + name["eval"] + pickle.dumps(_Call(str, python), 2)[2:-1] + b"\x85R.",
        "copyreg": pickle.dumps(_Call(copyreg._reconstructor, object, object, None), 2),
        "importlib": b"cimportlib\nimport_module\nU\x04this\x85R.",
        "an attribute of an allowed name": b"cnumpy\nndarray.tofile\n.",
        "numpy.load": b"cnumpy\nload\n" + arg + b"\x85R.",
        "numpy.core.multiarray.scalar": b"cnumpy.core.multiarray\nscalar\n.",
        "codecs.open": b"c_codecs\nopen\n.",
        "another codec": in_dict % (encode + b"X\x01\x00\x00\x00xX\x05\x00\x00\x00rot13\x86R"),
        "huge ndarray": ndarray + b"J" + huge + b"J" + huge + b"\x86\x85R.",
        "huge _reconstruct": reconstruct + ndarray + b"J" + huge + b"\x85U\x01b\x87R.",
        "_reconstruct of another type": reconstruct + b"cnumpy\ndtype\nK\x00\x85U\x01b\x87R.",
        "array never filled": b"\x80\x02}U\x01a" + reconstruct + ndarray + b"K\x00\x85U\x01b\x87Rs.",
        "NEWOBJ": b"\x80\x02" + ndarray + b"J" + huge + b"\x85\x81.",
        "NEWOBJ_EX": b"\x80\x04" + ndarray + b")}\x92.",
        "EXT1": b"\x80\x02\x82\x7b.",
        "EXT2": b"\x80\x02\x83\x7b\x00.",
        "EXT4": b"\x80\x02\x84\x7b\x00\x00\x00.",
        "persistent id": b"P1\n.",
        "persistent id, binary": b"\x80\x02K\x01Q.",
        "attributes of a name": b"\x80\x02" + ndarray + b"}U\x04nameK\x01sb.",
        "state of a dict": b"\x80\x02}}U\x04nameK\x01sb.",
        "items of a name": b"\x80\x02" + ndarray + b"U\x04nameK\x01s.",
        "append to a name": b"\x80\x02" + ndarray + b"K\x01a.",
        "tuples nested to 2**59 as a key": b"\x80\x02}" + doubled + b"K\x01s.",
        "text that becomes many bytes": in_dict % (b"](" + once + (encode + b"h\x02h\x03\x86R") * 2000 + b"e"),
        "out-of-band buffer": b"\x80\x05\x97.",
        "bytearray": b"\x80\x05\x96" + struct.pack("<Q", 2**62) + b".",
        "bytes longer than the file": b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b".",
        "list that holds itself": b"\x80\x02]q\x01h\x01a.",
        "not a dict": b"\x80\x02]K\x01a.",
        "two things": b"\x80\x02}}.",
        "open mark": b"\x80\x02(}.",
        "float": b"\x80\x02}U\x01aG\x00\x00\x00\x00\x00\x00\x00\x00s.",
    }


@pytest.mark.parametrize("name", list(_attacks("m")))
def test_a_malicious_pickle_is_refused_and_nothing_of_it_runs(name, tmp_path):
    marker = tmp_path / "marker"
    copyreg.add_extension("os", "system", 0x7B)
    try:
        with pytest.raises(InputError, match=r"evil\.file is refused: .*expected a pickle"):
            safe_pickle.loads(_attacks(marker)[name], "evil.file")
    finally:
        copyreg.remove_extension("os", "system", 0x7B)
    assert not marker.exists()


@pytest.mark.parametrize("name", ["os.system", "os.system, protocol 0", "posix.system by INST", "OBJ", "builtins.eval"])
def test_the_attacks_are_real(name, tmp_path):
    pickle.loads(_attacks(tmp_path / "marker")[name])
    assert (tmp_path / "marker").exists()


def test_a_huge_memo_index_takes_no_memory():
    assert safe_pickle.loads(b"\x80\x02}r\xff\xff\xff\x7f.", "test") == {}


@pytest.mark.parametrize(
    "wrong",
    [
        {"dtype": b"O8"},
        {"dtype": b"f8", "state": b"<"},
        {"dtype": b"i1"},
        {"state": b">"},
        {"shape": (2**31 - 1, 2**31 - 1)},
        {"shape": (7, 3071)},
        {"shape": (-7, -3072)},
        {"raw": b""},
        {"module": b"numpy.core.umath"},
    ],
)
def test_an_array_of_another_type_or_shape_is_refused(make, wrong):
    with pytest.raises(InputError, match="test is refused"):
        safe_pickle.loads(make.batch(make.pixels(7, 3), **wrong), "test")


@pytest.mark.parametrize("share", [0.0, 0.0001, 0.003, 0.31, 0.77, 0.999])
def test_a_truncated_pickle_is_refused(make, share):
    content = make.batch(make.pixels(7, 3))
    with pytest.raises(InputError, match="is refused"):
        safe_pickle.loads(content[: int(share * len(content))], "test")


def test_no_prefix_of_a_pickle_is_accepted_and_no_damage_escapes(make):
    content = make.batch(make.pixels(1, 3), labels=[5])
    head = 160  # all that lies before the pixels
    for end in (*range(head), *range(len(content) - 23, len(content))):
        with pytest.raises(InputError):
            safe_pickle.loads(content[:end], "test")
    rng = np.random.default_rng(11)
    for _ in range(997):
        damaged = bytearray(content)
        damaged[rng.integers(head)] = rng.integers(256)
        try:
            assert isinstance(safe_pickle.loads(bytes(damaged), "test"), dict)
        except InputError as error:
            assert str(error).startswith("test is refused")


def test_what_follows_the_end_and_what_is_too_large_is_refused(make, monkeypatch):
    content = make.batch(make.pixels(3, 3))
    with pytest.raises(InputError, match="follows its end"):
        safe_pickle.loads(content + b"\x00", "test")
    monkeypatch.setattr(safe_pickle, "MAX_OPCODES", 11)
    with pytest.raises(InputError, match="more than 11 opcodes"):
        safe_pickle.loads(content, "test")
    monkeypatch.setattr(safe_pickle, "MAX_BYTES", len(content) - 1)
    with pytest.raises(InputError, match=f"has {len(content)} bytes"):
        safe_pickle.loads(content, "test")
