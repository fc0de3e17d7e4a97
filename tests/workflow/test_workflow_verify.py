"""Damage of any result is found, and what is found can be computed again."""

import os
import random
import shutil
import subprocess

import pytest

from boltzprune.results import records
from boltzprune.study.reruns import verify


@pytest.fixture(scope="module")
def copied(finished, tmp_path_factory):
    """The finished study in a folder of its own, to be damaged."""
    return finished.beside(tmp_path_factory.mktemp("damaged"))


@pytest.fixture
def results(copied):
    """Its results, all of them."""
    return copied.folder / "results" / "tiny"


def flipped(content, rng):
    """One bit changed."""
    place = rng.randrange(len(content))
    return content[:place] + bytes([content[place] ^ 1 << rng.randrange(8)]) + content[place + 1 :]


DAMAGE = {
    "bit": flipped,
    "cut": lambda content, rng: content[: rng.randrange(len(content))],
    "longer": lambda content, rng: content + rng.randbytes(1),
    "emptied": lambda content, rng: b"",
    "deleted": lambda content, rng: None,
}


def damaged(path, kind, rng):
    """Damage a file; the content that it had."""
    content = path.read_bytes()
    new = DAMAGE[kind](content, rng)
    path.unlink() if new is None else path.write_bytes(new)
    return content


def test_every_result_is_vouched_for(results):
    files = [path for path in results.rglob("*") if path.is_file() and path.parts[-2] != "tiny"]
    files = [path for path in files if not {"logs", "benchmarks"} & set(path.parts)] + [results / "study.yaml"]
    findings, n_files, n_bytes = verify.check(results)
    assert (findings, n_files) == ([], len(files))
    assert n_bytes == sum(path.stat().st_size for path in files)
    assert len(records.in_study(results)) == len(list((results / "logs").rglob("*.log")))


@pytest.mark.torture
def test_any_damage_of_a_result_is_found_and_nothing_else_accused(results, promise, at_scale):
    rng = random.Random(4801)
    files = sorted(records.results_in(results))
    with promise("verify: a bit flipped, a result cut, emptied or deleted is found, no other accused") as count:
        for trial in range(at_scale(60, 5_000)):
            path, kind = rng.choice(files), rng.choice(list(DAMAGE))
            content = damaged(path, kind, rng)
            findings, *_ = verify.check(results)
            path.write_bytes(content)
            count([finding.path for finding in findings] == [path], f"trial {trial}: {kind} {path}")
    assert verify.check(results)[0] == []


@pytest.mark.torture
def test_a_damaged_record_accuses_itself_and_vouches_for_nothing(results, promise, at_scale):
    rng = random.Random(4813)
    found = records.in_study(results)
    with promise("verify: a record with a bit flipped, cut or emptied vouches for nothing") as count:
        for trial in range(at_scale(20, 2_000)):
            record, kind = rng.choice(found), rng.choice(["bit", "cut", "longer", "emptied"])
            files = {os.path.normpath(entry.path) for entry in records.read(record)[1]}
            content = damaged(record, kind, rng)
            findings, *_ = verify.check(results)
            record.write_bytes(content)
            named = {os.path.normpath(finding.path): finding.problem for finding in findings}
            expected = {str(record): "damaged record"} | dict.fromkeys(files, verify.NO_RECORD)
            count(named == expected, f"trial {trial}: {kind} {record}: {named}")


@pytest.mark.skipif(not shutil.which("sha256sum"), reason="needs sha256sum")
def test_sha256sum_reads_the_records(results):
    def run():
        command = [
            "sha256sum",
            "--check",
            "--quiet",
            *(path.relative_to(results) for path in records.in_study(results)),
        ]
        return subprocess.run(command, cwd=results, capture_output=True, text=True, check=False)

    assert run().returncode == 0
    table = results / "tables" / "claims.csv"
    content = damaged(table, "bit", random.Random(4817))
    done = run()
    table.write_bytes(content)
    assert (done.returncode, done.stdout) == (1, "tables/claims.csv: FAILED\n")


@pytest.mark.slow
def test_what_is_found_is_computed_again_by_the_command_shown(copied, results):
    whole = {path: path.read_bytes() for path in records.results_in(results)}
    chain = results / "patches" / "seeds0-2" / "eigenvector" / "iteration1"
    rng = random.Random(4831)
    damaged(results / "figures" / "fig2_a.csv", "bit", rng)
    damaged(chain / "retrained.npz", "deleted", rng)
    damaged(results / "tables" / "table1.md", "emptied", rng)
    damaged(results / "logs" / "per_digit.sha256", "cut", rng)
    assert copied.planned() == {}, "Snakemake by itself sees none of it"
    done = copied.boltzprune("verify", "results/tiny")
    assert done.returncode == verify.DAMAGED
    rows = [line for line in done.stdout.splitlines() if line.count("results/tiny/") == 1]
    rows = {line.split()[1]: line for line in rows}
    for name, start, end in (
        ("figures/fig2_a.csv", "figure", "changed, same size"),
        ("patches/seeds0-2/eigenvector/iteration1/retrained.npz", "retrain", "missing"),
        ("tables/table1.md", "table1", f"emptied, had {len(whole[results / 'tables' / 'table1.md'])} bytes"),
        ("logs/per_digit.sha256", "-", "damaged record"),
        ("tables/per_digit.csv", "-", "no record of it"),
    ):
        line = rows.pop(f"results/tiny/{name}")
        assert line.startswith(f"{start} "), line
        assert line.endswith(f"  {end}"), line
    assert set(rows) == {"results/tiny/tables/per_digit.md", "results/tiny/tables/per_digit.tex"}
    assert "boltzprune verify --files results/tiny | tr '\\n' '\\0' | xargs -0 boltzprune run" in done.stdout
    listed = copied.boltzprune("verify", "--files", "results/tiny").stdout.split()
    assert {path.rsplit("/")[-1] for path in listed} == {
        *("fig2_a.csv", "retrained.npz", "table1.md", "per_digit.csv", "per_digit.md", "per_digit.tex")
    }
    done = copied.snakemake("--cores", "2", "--forcerun", *listed)
    assert done.returncode == 0, done.stdout
    done = copied.boltzprune("verify")
    assert (done.returncode, "every byte is as it was written" in done.stdout) == (0, True)
    assert {path: path.read_bytes() for path in records.results_in(results)} == whole
    assert copied.planned() == {}
