"""The programs that are run first on a new card, on the emulated one: gpu_smoke.py and gpu_phases.py."""

import json
import subprocess
import sys
from pathlib import Path

import emulated
import pytest
from emulated import EmulatedCard

from boltzprune.backend.gpu import kernels, machines_on_card

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import gpu_phases  # noqa: E402
import gpu_smoke  # noqa: E402
from test_gpu_benchmark import Wrong, needs_compiler, tools  # noqa: E402


@needs_compiler
def test_every_piece_is_right(capsys):
    for name in gpu_smoke.NAMES:
        assert gpu_smoke.main([name, "--emulated"]) == 0
        line = json.loads(capsys.readouterr().out)
        assert line["piece"] == name and line["right"] and line["found"]


@needs_compiler
def test_two_pieces_apart_on_the_emulated_card(monkeypatch, capsys):
    """As a person starts it: each in a process of its own, which finds the emulation by itself."""
    monkeypatch.setenv("PYTHONPATH", str(BENCHMARKS.parent / "src"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(gpu_smoke, "NAMES", ("states", "bits"))
    assert gpu_smoke.main(["--emulated"]) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["piece"] for line in lines] == ["states", "bits"] and last == "2 of 2 pieces right"


def test_without_a_compiler_there_is_no_emulation(monkeypatch, capsys):
    monkeypatch.setattr(emulated, "COMPILER", None)
    assert gpu_smoke.main(["--emulated"]) == 2 and "--emulated needs g++" in capsys.readouterr().err


@needs_compiler
@pytest.mark.parametrize("name", ["joint_bits", "free_run"])
def test_other_bits_are_a_race(name, monkeypatch):
    """A card whose third launch gives another number."""

    class Racing(Wrong):
        n_launches = 0

        def launch(self, *given, **options):
            self.n_launches += 1
            self.kernel = kernel if self.n_launches == 3 else None
            super().launch(*given, **options)

    kernel = "free_run" if name == "free_run" else "joint"
    card = Racing(kernel, 0, 1)  # the states, or the lower weights
    monkeypatch.setattr(gpu_smoke, "emulated_tools", lambda: tools(card=card))
    with pytest.raises(ArithmeticError, match=r"other (bits|states)"):
        gpu_smoke.main([name, "--emulated"])


def test_pieces_apart(monkeypatch, capsys):
    """Each has a process and a limit of its own; what went wrong is told, and the others run."""

    def run(command, **options):
        name = command[-1]
        if name == "draw":
            raise subprocess.TimeoutExpired(command, options["timeout"])
        right = json.dumps({"piece": name, "right": True})
        return subprocess.CompletedProcess(command, int(name == "joint"), f"told\n{right}\n", "an illegal address")

    monkeypatch.setattr(subprocess, "run", run)
    assert gpu_smoke.main(["--limit", "7"], tools) == 1
    *lines, last = capsys.readouterr().out.splitlines()
    found = {line["piece"]: line for line in map(json.loads, lines)}
    assert tuple(found) == gpu_smoke.NAMES and last == f"{len(lines) - 2} of {len(lines)} pieces right"
    assert found["draw"]["why"].startswith("no end after 7 s") and "an illegal address" in found["joint"]["why"]


ALONE = {"images, each by one block, and a meeting", "what other blocks found"}
"""Phases of images that a block iterates alone; others have sweeps."""


@needs_compiler
def test_every_phase_takes_time(capsys, monkeypatch):
    plain = kernels.source("joint")
    monkeypatch.setattr(machines_on_card, "COLUMNS_ALONE", 5)  # h2 of 11 units: 4 of the silent machines may be on
    sizes = gpu_phases.Sizes(deep=(5, 7, 11), machines=2, chains=37, updates=3, steps=8, wide_updates=3)
    card = EmulatedCard()
    assert gpu_phases.main(["--no-write"], lambda: tools(card=card), sizes) == 0
    found = json.loads(capsys.readouterr().out.partition("\n{\n")[2].join(("{", "")))
    rows = found["rows"]
    assert [row["what"] for row in rows] == ["joint"] * 4 + ["chains that run freely"] * 2 + ["contrastive_wide"] * 3
    for row in rows[:4]:
        times, alone = row["phases_us"], row["h2_on"] == gpu_phases.SILENT[0]
        assert tuple(times) == tuple(name for _, name in gpu_phases.PHASES) and row["update_us"] > 0
        for name, time in times.items():
            is_left_out = name.startswith("sweep") if alone else name in ALONE
            assert (time == 0) == is_left_out, name
    for row in rows[4:6]:
        assert tuple(row["phases_us"]) == tuple(name for _, name in gpu_phases.FREE_PHASES)
        assert all(time > 0 for time in row["phases_us"].values())
    assert kernels.source("joint") == plain


def test_a_phase_that_the_kernel_no_longer_has_is_told():
    with pytest.raises(ValueError, match=r"joint\.cu has 0 times 'look"):
        gpu_phases.with_clocks("joint", "void joint() {}")


@pytest.mark.parametrize("program", ["gpu_smoke.py", "gpu_phases.py"])
def test_without_a_gpu_they_say_so(program):
    environment = {"PYTHONPATH": str(BENCHMARKS.parent / "src"), "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, str(BENCHMARKS / program)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 2 and "no GPU to" in done.stderr and "Traceback" not in done.stderr
